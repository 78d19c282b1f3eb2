//! A case: some figures that are measured together, on a warm broker or on brokers of their own.

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
    /// Where it runs, and what measures the figures once.
    pub place: Place,
}

/// Where a case runs.
#[derive(Clone, Copy)]
pub enum Place {
    /// On the broker of a pass, which is warm.
    Pass(fn(&mut Stage<'_>) -> Result<(), String>),
    /// On brokers that it starts itself.
    Alone(fn(&mut Ground<'_>) -> Result<(), String>),
}

/// All cases, in the order of the table. A pass runs those of its warm broker in this order, too.
pub const CASES: &[Case] = &[
    rows::catch_up::OWN,
    rows::catch_up::TOOL,
    rows::produce::OWN,
    rows::produce::TOOL,
    rows::tail::CASE,
    rows::safety::CASE,
    rows::end_to_end::OWN,
    rows::end_to_end::TOOL,
    rows::memory::USED_CASE,
    rows::start::START,
    rows::start::REOPEN,
    rows::memory::IDLE_CASE,
    rows::partitions::CASE,
];
