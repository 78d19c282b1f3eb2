//! `ottla topic`: what is done with topics.

use clap::Subcommand;

use crate::exit::{Exit, Failure};

mod alter;
mod create;
mod delete;
mod describe;
mod list;

/// What is done with topics.
#[derive(Subcommand)]
pub(crate) enum Topic {
    Create(create::Create),
    List(list::List),
    Describe(describe::Describe),
    Alter(alter::Alter),
    Delete(delete::Delete),
}

impl Topic {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        match self {
            Topic::Create(create) => create.run(),
            Topic::List(list) => list.run(),
            Topic::Describe(describe) => describe.run(),
            Topic::Alter(alter) => alter.run(),
            Topic::Delete(delete) => delete.run(),
        }
    }
}
