//! Every choice of a history, drawn from a seed or from bytes, or read back from a record. Zero is always
//! the benign choice, so a record is made smaller by deleting and zeroing.

use crate::bytes::{self, Bytes};
use crate::rng::Rng;

/// The choices of one history.
#[derive(Clone, Debug)]
pub struct Tape {
    source: Source,
    drawn: Vec<u64>,
}

#[derive(Clone, Debug)]
enum Source {
    Seed(Rng),
    Record(std::vec::IntoIter<u64>),
    Bytes(Bytes),
}

/// A probability in parts per million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ppm(pub(crate) u64);

impl Tape {
    /// Choices drawn from a seed.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self { source: Source::Seed(Rng::new(seed)), drawn: Vec::new() }
    }

    /// Recorded choices; all benign once the record is used up.
    #[must_use]
    pub fn replay(record: Vec<u64>) -> Self {
        Self { source: Source::Record(record.into_iter()), drawn: Vec::new() }
    }

    /// Choices drawn from bytes, whatever they are; all benign once they are used up. Zeros are benign, too, so
    /// a fuzzer or a property test finds small histories by making the bytes fewer and smaller.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { source: Source::Bytes(Bytes::new(bytes.to_vec())), drawn: Vec::new() }
    }

    /// What was drawn so far.
    #[must_use]
    pub fn record(&self) -> &[u64] {
        &self.drawn
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.draw(bound, bytes::width(bound))
    }

    /// A number below `bound`, from so many bytes if it comes from bytes.
    fn draw(&mut self, bound: u64, width: u32) -> u64 {
        let drawn = match &mut self.source {
            Source::Seed(rng) => rng.below(bound),
            Source::Record(record) => record.next().unwrap_or(0).min(bound.saturating_sub(1)),
            Source::Bytes(bytes) => bytes.below(bound, width),
        };
        self.drawn.push(drawn);
        drawn
    }

    /// An index below `bound`.
    pub(crate) fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }

    /// One of `choices`, the first of them being the benign one.
    pub(crate) fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let index = self.index(choices.len());
        choices.get(index).copied().unwrap_or_default()
    }

    /// Whether something unwanted happens. Nothing is drawn for what cannot happen. A single byte, the
    /// highest, makes happen even what is unlikely: a fuzzer would not find three.
    pub(crate) fn hit(&mut self, chance: Ppm) -> bool {
        chance.0 > 0 && self.draw(1_000_000, 1) >= 1_000_000 - chance.0.min(1_000_000)
    }

    /// A class of faults that is off half of the time, and else has a log-uniform strength.
    pub(crate) fn class(&mut self, low: u64, high: u64) -> Ppm {
        if self.below(2) == 0 { Ppm(0) } else { Ppm(self.log_uniform(low, high)) }
    }

    /// How long it takes until something happens (again) that comes by chance, about `gap`; never if that is zero. The
    /// benign choice is as late as can be: if it were at once, benign weather would come again and again without
    /// time passing.
    pub(crate) fn again(&mut self, gap: u64) -> Option<u64> {
        let drawn = if gap > 0 { self.below(gap * 2) } else { return None };
        Some(if drawn == 0 { gap * 2 } else { 1 + drawn })
    }

    /// How long a message is on its way: up to the usual, or up to another if it is slow.
    pub(crate) fn delay(&mut self, usual: u64, slow: Ppm, when_slow: u64) -> u64 {
        let longest = if self.hit(slow) { when_slow } else { usual };
        if longest == 0 { 0 } else { self.below(longest + 1) }
    }

    /// A log-uniform number from `low` to about `high`: each power of two is as likely as any other.
    pub(crate) fn log_uniform(&mut self, low: u64, high: u64) -> u64 {
        let low = low.max(1);
        let octaves = u64::from((high / low).max(1).ilog2());
        let octave = low << self.below(octaves + 1);
        octave.saturating_add(self.below(octave)).min(high.max(low))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(tape: &mut Tape) -> [u64; 4] {
        let first = tape.below(10);
        let second = tape.log_uniform(50, 60_000);
        let third = u64::from(tape.hit(Ppm(500_000)));
        [first, second, third, tape.pick(&[3, 4, 5])]
    }

    #[test]
    fn a_record_plays_back() {
        let mut tape = Tape::from_seed(42);
        let first = some(&mut tape);
        assert_eq!(some(&mut Tape::replay(tape.record().to_vec())), first);
    }

    #[test]
    fn an_empty_record_is_benign() {
        assert_eq!(some(&mut Tape::replay(Vec::new())), [0, 50, 0, 3]);
    }

    #[test]
    fn no_bytes_and_zeros_are_benign() {
        assert_eq!(some(&mut Tape::from_bytes(&[])), [0, 50, 0, 3]);
        assert_eq!(some(&mut Tape::from_bytes(&[0; 64])), [0, 50, 0, 3]);
    }

    #[test]
    fn what_bytes_gave_plays_back() {
        let mut tape = Tape::from_bytes(&[200, 130, 7, 99, 255, 128]);
        let first = some(&mut tape);
        assert_eq!(some(&mut Tape::replay(tape.record().to_vec())), first);
    }

    #[test]
    fn one_byte_makes_happen_what_is_unlikely() {
        assert!(Tape::from_bytes(&[255]).hit(Ppm(1)));
        assert!(!Tape::from_bytes(&[254]).hit(Ppm(1)));
    }

    #[test]
    fn log_uniform_stays_in_its_bounds() {
        let mut tape = Tape::from_seed(7);
        for _ in 0..1_000 {
            let drawn = tape.log_uniform(50, 60_000);
            assert!((50..=60_000).contains(&drawn), "{drawn}");
        }
    }

    #[test]
    fn chances_are_met() {
        let mut tape = Tape::from_seed(7);
        let hits = (0..10_000).filter(|_| tape.hit(Ppm(100_000))).count();
        assert!((800..1_200).contains(&hits), "{hits}");
        assert!(!tape.hit(Ppm(0)));
        assert!(tape.hit(Ppm(1_000_000)));
    }
}
