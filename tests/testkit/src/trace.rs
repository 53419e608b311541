//! What happened in a history: a hash of everything, and the lines of a log if somebody wants to read it.

use core::hash::{Hash, Hasher};

use crate::chronicle::{Fact, Moment};
use crate::rng::scramble;

#[derive(Clone, Debug)]
pub(crate) struct Trace {
    hash: Mix,
    kept: Option<Kept>,
}

/// What is kept of a history that somebody wants to see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) lines: Vec<String>,
    pub(crate) moments: Vec<Moment>,
}

impl Trace {
    pub(crate) fn new(with_log: bool) -> Self {
        Self { hash: Mix(0), kept: with_log.then(Kept::default) }
    }

    /// Notes that something happened at true time `now`: as facts for the hash, in words for the log.
    pub(crate) fn note(&mut self, now: u64, facts: impl Hash, line: impl FnOnce() -> String) {
        self.mix((now, facts));
        if let Some(kept) = &mut self.kept {
            kept.lines.push(format!("{now:>16}  {}", line()));
        }
    }

    /// Notes a fact for the picture. It is no part of the hash.
    pub(crate) fn keep(&mut self, at: u64, fact: impl FnOnce() -> Fact) {
        if let Some(kept) = &mut self.kept {
            kept.moments.push(Moment { at, fact: fact() });
        }
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Lets facts count for the hash.
    pub(crate) fn mix(&mut self, facts: impl Hash) {
        facts.hash(&mut self.hash);
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.finish()
    }

    pub(crate) fn take_kept(&mut self) -> Kept {
        self.kept.take().unwrap_or_default()
    }
}

/// Folds facts, a word at a time and the same on every machine: the standard library's way of writing
/// numbers depends on their width and byte order there.
#[derive(Clone, Debug)]
struct Mix(u64);

impl Mix {
    const fn fold(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        scramble(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            self.fold(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.fold(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.fold(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.fold(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    fn write_u128(&mut self, number: u128) {
        self.fold(number as u64);
        self.fold((number >> 64) as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number as u64);
    }

    fn write_i8(&mut self, number: i8) {
        self.fold(i64::from(number) as u64);
    }

    fn write_i16(&mut self, number: i16) {
        self.fold(i64::from(number) as u64);
    }

    fn write_i32(&mut self, number: i32) {
        self.fold(i64::from(number) as u64);
    }

    fn write_i64(&mut self, number: i64) {
        self.fold(number as u64);
    }

    fn write_i128(&mut self, number: i128) {
        self.write_u128(number as u128);
    }

    fn write_isize(&mut self, number: isize) {
        self.fold(number as i64 as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pglock_core::{LockName, Outcome, Read, Rvn, Statement, Value};

    fn hash_of(facts: &[&dyn Fn(&mut Trace)]) -> u64 {
        let mut trace = Trace::new(false);
        facts.iter().for_each(|fact| fact(&mut trace));
        trace.hash()
    }

    fn answered(outcome: Outcome) -> impl Fn(&mut Trace) {
        let statement = Statement::Read(Read::One(LockName::new("a").unwrap()));
        move |trace| trace.note(7, (1_usize, &statement, &outcome), String::new)
    }

    #[test]
    fn one_other_outcome_is_another_history() {
        let row = |value: Value| Outcome::Rows(vec![pglock_core::Row(vec![value])]);
        let outcomes = [
            Outcome::Lost,
            Outcome::Rows(vec![]),
            row(Value::Null),
            row(Value::Int8(Rvn::MARK)),
            row(Value::Int8(Rvn::MARK + 1)),
            row(Value::Text("lost".into())),
            row(Value::Text("lots".into())),
        ];
        let before = answered(Outcome::Lost);
        let hashes: std::collections::BTreeSet<_> = outcomes
            .into_iter()
            .map(|outcome| hash_of(&[&before, &answered(outcome), &before]))
            .collect();
        assert_eq!(hashes.len(), 7);
    }

    /// As it must be where addresses are of 32 bits, too, and on machines that write numbers backwards.
    #[test]
    fn facts_count_the_same_on_every_machine() {
        let wide = hash_of(&[&|trace| trace.mix((1_u64, -2_i64))]);
        assert_eq!(hash_of(&[&|trace| trace.mix((1_usize, -2_isize))]), wide);
        assert_eq!(hash_of(&[&|trace| trace.mix((1_u8, -2_i16))]), wide);
        assert_eq!(wide, 6_386_980_076_906_176_490);
        let facts = ("nine bytes", Some(true), [1_u8, 2, 3], 1_u128 << 100);
        assert_eq!(hash_of(&[&|trace| trace.mix(facts)]), 5_685_963_434_249_930_112);
    }
}
