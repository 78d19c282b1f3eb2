//! Which name somebody may have meant.

/// The one of `names` that is nearest to `wanted`, if it is near enough to be a slip of the hand.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = names.into_iter().map(|name| (distance(wanted, name), name));
    let slips_max = (wanted.chars().count() / 3).max(1);
    let (_, name) = distances.filter(|(slips, _)| *slips <= slips_max).min()?;
    Some(name)
}

/// `; did you mean X?`, or nothing.
pub(crate) fn suggestion<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wanted, names).map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// How many letters must be put in, left out or changed, upper and lower case being one (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_found_and_a_stranger_is_not() {
        let names = ["orders", "payments", "Shipments"];
        assert_eq!(nearest("order", names), Some("orders"));
        assert_eq!(nearest("oders", names), Some("orders"));
        assert_eq!(nearest("shipments", names), Some("Shipments"));
        assert_eq!(nearest("users", names), None);
        assert_eq!(nearest("x", names), None);
        assert_eq!(suggestion("paymens", names), "; did you mean payments?");
    }
}
