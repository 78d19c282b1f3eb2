//! `ottla group`: what is done with consumer groups.

use clap::Subcommand;

use crate::exit::{Exit, Failure};

mod delete;
mod describe;
mod list;
mod reset_offsets;

/// What is done with consumer groups.
#[derive(Subcommand)]
pub(crate) enum Group {
    List(list::List),
    Describe(describe::Describe),
    ResetOffsets(reset_offsets::ResetOffsets),
    Delete(delete::Delete),
}

impl Group {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Group::List(list) => list.run(),
            Group::Describe(describe) => describe.run(),
            Group::ResetOffsets(reset) => reset.run(),
            Group::Delete(delete) => delete.run(),
        }
    }
}
