//! One row of the table: a figure's name, its values over the runs, and the mark it is held against.

use std::fmt;

/// The table's head, in Markdown.
pub const HEAD: &str = "| what | median | min | max | unit | mark |\n|---|---|---|---|---|---|";

/// A figure measured several times.
pub struct Row {
    name: String,
    unit: &'static str,
    mark: f64,
    values: Vec<f64>,
}

impl Row {
    /// A row without values; `mark` is what the median should not exceed, or NaN for none.
    pub fn new(name: &str, unit: &'static str, mark: f64) -> Row {
        Row {
            name: name.to_string(),
            unit,
            mark,
            values: Vec::new(),
        }
    }

    /// Adds one run's value.
    pub fn add(&mut self, value: f64) {
        self.values.push(value);
        self.values.sort_by(f64::total_cmp);
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |index: usize| self.values.get(index).copied().unwrap_or(f64::NAN);
        let (median, min, max) = (
            at(self.values.len() / 2),
            at(0),
            at(self.values.len().saturating_sub(1)),
        );
        let mark = if self.mark.is_nan() {
            String::new()
        } else {
            format!("≤ {}", self.mark)
        };
        write!(
            f,
            "| {} | {median:.2} | {min:.2} | {max:.2} | {} | {mark} |",
            self.name, self.unit
        )
    }
}
