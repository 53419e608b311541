//! Where a moment stands on paper. Nanoseconds and minutes both matter in one history, so each gap between two
//! moments is as wide as its length has binary digits, and not as long as it lasts.

use std::collections::{BTreeMap, BTreeSet};

/// No gap is narrower, however many there are.
const NARROWEST: f64 = 7.0;
/// No gap of a nanosecond is wider, however few there are.
const WIDEST: f64 = 120.0;
/// What is aimed at.
const WIDTH: f64 = 1_100.0;

pub(super) struct Scale {
    places: BTreeMap<u64, f64>,
    pub(super) width: f64,
}

impl Scale {
    pub(super) fn new(moments: &BTreeSet<u64>) -> Self {
        let earlier = moments.iter();
        let gaps: Vec<f64> =
            earlier.zip(moments.iter().skip(1)).map(|(a, b)| weight(b - a)).collect();
        let unit = (WIDTH / gaps.iter().sum::<f64>().max(1.0)).clamp(NARROWEST, WIDEST);
        let mut width = 0.0;
        let mut places = BTreeMap::new();
        let widths = std::iter::once(0.0).chain(gaps.iter().map(|gap| gap * unit));
        for (moment, gap) in moments.iter().zip(widths) {
            width += gap;
            places.insert(*moment, width);
        }
        Self { places, width }
    }

    /// The place of a moment, or of the last one before it.
    pub(super) fn x(&self, at: u64) -> f64 {
        self.places.range(..=at).next_back().map_or(0.0, |(_, x)| *x)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (u64, f64)> {
        self.places.iter().map(|(at, x)| (*at, *x))
    }
}

fn weight(gap: u64) -> f64 {
    1.0 + f64::from(gap.max(1).ilog2()) / 16.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_moments_are_far_apart_and_many_are_not_on_top_of_each_other() {
        for count in [2_u64, 5, 500] {
            let scale = Scale::new(&(0..count).map(|at| at * at * 1_000).collect());
            let places: Vec<f64> = scale.places().map(|(_, x)| x).collect();
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= NARROWEST), "{places:?}");
            assert!(scale.width >= 40.0 && scale.width < 20_000.0, "{count}: {}", scale.width);
        }
    }
}
