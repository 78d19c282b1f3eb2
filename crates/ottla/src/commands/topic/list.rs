//! `ottla topic list`

use clap::Args;
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::output::{Output, say};
use crate::session::{Session, Shared};

/// List the topics.
#[derive(Args)]
#[command(after_help = "Example:
  ottla topic list --json | jq -r .topic")]
pub(crate) struct List {
    /// Also those that brokers keep for themselves
    #[arg(long)]
    internal: bool,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Serialize)]
struct Listed {
    topic: String,
    partitions: usize,
    internal: bool,
}

impl List {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let internal = self.internal;
        self.shared.run(async |session| list(&session, internal).await)
    }
}

async fn list(session: &Session, internal: bool) -> Result<(), Failure> {
    let cluster = session.admin.describe(None).await?;
    let shown = cluster
        .topics
        .into_values()
        .filter(|topic| internal || !topic.is_internal);
    let listed = shown.map(|topic| Listed {
        topic: topic.name,
        partitions: topic.partitions.len(),
        internal: topic.is_internal,
    });
    let listed: Vec<_> = listed.collect();
    let mut output = Output::stdout();
    if session.json {
        listed.iter().try_for_each(|topic| output.object(topic))?;
    } else if listed.is_empty() {
        say("there is no topic yet; make one with: ottla topic create NAME");
    } else {
        let row = |topic: &Listed| [topic.topic.clone(), topic.partitions.to_string()];
        output.table(["TOPIC", "PARTITIONS"], &listed.iter().map(row).collect::<Vec<_>>())?;
    }
    output.flush()
}
