//! A case: some figures that are measured together, on a warm broker or on brokers of their own.

use crate::broker::Broker;
use crate::figure::{Figure, Subject};
use crate::ground::Ground;
use crate::rows;
use crate::stage::Stage;

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name on the command line.
    pub name: &'static str,
    /// The figures it measures.
    pub figures: &'static [Figure],
    /// Who is measured.
    pub subjects: &'static [Subject],
    /// Whether it is part of the quick extent.
    pub quick: bool,
    /// In how many pairs of passes of the full extent it runs: the rows that goals are set for in all, dear ones in fewer.
    pub pairs_max: usize,
    /// Where it runs, and what measures the figures once.
    pub place: Place,
}

/// Where a case runs.
#[derive(Clone, Copy)]
pub enum Place {
    /// On the broker of a pass, which is warm.
    Pass(fn(&mut Stage<'_>) -> Result<(), String>),
    /// On the broker of a pass, which it ends: the last of the pass.
    End(fn(&mut Ground<'_>, Broker) -> Result<(), String>),
    /// On brokers that it starts itself.
    Alone(fn(&mut Ground<'_>) -> Result<(), String>),
}

/// In every pair of passes, however many there are.
pub const EVERY_PAIR: usize = usize::MAX;

impl Case {
    /// Whether it runs in the pass of this number, from 1, of so many: those it runs in are spread over all.
    pub fn runs_in(&self, pass: usize, pairs: usize) -> bool {
        let wanted = self.pairs_max.min(pairs);
        pass * wanted / pairs > (pass - 1) * wanted / pairs
    }
}

/// All cases, in the order of the table. A pass runs those of its warm broker in this order, too.
pub const CASES: &[Case] = &[
    rows::catch_up::OWN,
    rows::catch_up::TOOL,
    rows::produce::OWN,
    rows::produce::TOOL,
    rows::librdkafka::CASE,
    rows::tail::CASE,
    rows::fan_out::CASE,
    rows::compressed::CASE,
    rows::durable::CASE,
    rows::safety::CASE,
    rows::end_to_end::OWN,
    rows::end_to_end::TOOL,
    rows::memory::USED_CASE,
    // What leaves groups, connections and partitions behind comes after the memory is looked at.
    rows::rebalance::CASE,
    rows::commits::CASE,
    rows::many_groups::CASE,
    rows::transactions::CASE,
    rows::connections::CASE,
    rows::small_batches::CASE,
    rows::spread::CASE,
    rows::start::START,
    rows::start::REOPEN,
    rows::reopen::CASE,
    rows::partitions::CASE,
    rows::memory::IDLE_CASE,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_and_every_case_has_a_name_of_its_own() {
        let figures = CASES.iter().flat_map(|case| case.figures);
        let mut names: Vec<_> = figures.map(|figure| (figure.row, figure.name)).collect();
        names.extend(CASES.iter().map(|case| ("case", case.name)));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_dear_case_runs_in_passes_spread_over_all() {
        let passes = |pairs_max, pairs| {
            let case = Case { pairs_max, ..CASES[0] };
            (1..=pairs)
                .filter(|pass| case.runs_in(*pass, pairs))
                .collect::<Vec<_>>()
        };
        assert_eq!(passes(EVERY_PAIR, 3), [1, 2, 3]);
        assert_eq!(passes(3, 5), [2, 4, 5]);
        assert_eq!(passes(3, 2), [1, 2]);
        assert_eq!(passes(1, 1), [1]);
    }
}
