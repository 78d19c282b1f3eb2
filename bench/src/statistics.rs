//! The arithmetic of the table: medians, spreads, ratios.

use std::collections::BTreeMap;

/// A median with the least and the largest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle value, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// The spread of some values; `None` of none.
pub fn spread(values: &[f64]) -> Option<Spread> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (min, max) = (*sorted.first()?, *sorted.last()?);
    let upper = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[upper]
    } else {
        f64::midpoint(sorted[upper - 1], sorted[upper])
    };
    Some(Spread { median, min, max })
}

/// The ratio of two medians, with the least and the largest ratio of passes of the same number, which are neighbours in time.
/// `None` unless both have a value in some pass and theirs is not 0.
pub fn ratio(ours: &BTreeMap<usize, f64>, theirs: &BTreeMap<usize, f64>) -> Option<Spread> {
    let median = |values: &BTreeMap<usize, f64>| spread(&values.values().copied().collect::<Vec<_>>());
    let below = median(theirs)?.median;
    let neighbour = |pass| theirs.get(pass).filter(|value| **value != 0.0);
    let pairs = ours.iter().filter_map(|(pass, ours)| Some(ours / neighbour(pass)?));
    let spread = spread(&pairs.collect::<Vec<_>>()).filter(|_| below != 0.0)?;
    Some(Spread {
        median: median(ours)?.median / below,
        ..spread
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let three = spread(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!((three.median, three.min, three.max), (2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_ratio_is_of_the_medians_and_spreads_over_passes_of_one_number() {
        let ours = BTreeMap::from([(1, 1.0), (2, 2.0), (4, 3.0)]);
        let theirs = BTreeMap::from([(1, 2.0), (2, 8.0), (3, 4.0)]);
        let told = ratio(&ours, &theirs).unwrap();
        assert_eq!((told.median, told.min, told.max), (0.5, 0.25, 0.5));
        assert_eq!(ratio(&ours, &BTreeMap::new()), None);
        assert_eq!(ratio(&ours, &BTreeMap::from([(1, 0.0)])), None);
        let once_nothing = BTreeMap::from([(1, 2.0), (2, 0.0), (4, 3.0)]);
        assert_eq!(ratio(&ours, &once_nothing).unwrap().max, 1.0);
    }
}
