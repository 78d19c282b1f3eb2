//! The arithmetic of the table: medians, spreads, ratios.

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

/// The ratio of two medians, with the least and the largest ratio of the values of one pass and its neighbour, which are nearest
/// in time. `None` unless both have values and theirs is not 0.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Option<Spread> {
    let median = spread(ours)?.median / spread(theirs).filter(|theirs| theirs.median != 0.0)?.median;
    let pairs: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    let spread = spread(&pairs)?;
    Some(Spread { median, ..spread })
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
    fn a_ratio_is_of_the_medians_and_spreads_over_the_pairs() {
        let ratio = ratio(&[1.0, 2.0, 3.0], &[2.0, 8.0, 4.0]).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (0.5, 0.25, 0.75));
        assert_eq!(super::ratio(&[1.0], &[]), None);
        assert_eq!(super::ratio(&[1.0], &[0.0]), None);
    }
}
