//! Numbers from bytes, for fuzzers and for whatever else draws and shrinks bytes. Knows no chances.

/// Bytes that are used up one by one; zeros without end follow them.
#[derive(Clone, Debug)]
pub(crate) struct Bytes(std::vec::IntoIter<u8>);

impl Bytes {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into_iter())
    }

    /// A number below `bound` from the next `width` bytes: zeros give zero and the highest bytes the highest
    /// number, however many numbers lie between that so few bytes cannot tell apart.
    pub(crate) fn below(&mut self, bound: u64, width: u32) -> u64 {
        let drawn = (0..width).fold(0, |drawn, _| drawn << 8 | u128::from(self.next()));
        let numbers = 1 << (8 * width);
        if drawn + 1 == numbers {
            return bound.saturating_sub(1);
        }
        u64::try_from(drawn * u128::from(bound) / numbers).unwrap_or(0)
    }

    fn next(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }
}

/// How many bytes reach every number below `bound`.
pub(crate) const fn width(bound: u64) -> u32 {
    let bits = u64::BITS - bound.saturating_sub(1).leading_zeros();
    bits.div_ceil(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(bytes: &[u8], bound: u64) -> u64 {
        Bytes::new(bytes.to_vec()).below(bound, width(bound))
    }

    #[test]
    fn as_few_bytes_as_the_bound_needs() {
        let widths = [0, 1, 2, 256, 257, 65_536, 65_537, u64::MAX].map(width);
        assert_eq!(widths, [0, 0, 1, 1, 2, 2, 3, 8]);
    }

    #[test]
    fn every_number_below_a_bound_can_be_drawn() {
        for bound in 1..=256 {
            let mut numbers: Vec<_> = (0..=255).map(|byte| drawn(&[byte], bound)).collect();
            numbers.dedup();
            assert_eq!(numbers, (0..bound).collect::<Vec<_>>());
        }
    }

    #[test]
    fn zeros_are_the_lowest_and_ones_the_highest() {
        for bound in [0, 1, 2, 1_000_000, u64::MAX] {
            assert_eq!(drawn(&[], bound), 0);
            assert_eq!(drawn(&[0; 8], bound), 0);
            assert_eq!(drawn(&[255; 8], bound), bound.saturating_sub(1));
            assert_eq!(Bytes::new(vec![255]).below(bound, 1), bound.saturating_sub(1));
        }
    }
}
