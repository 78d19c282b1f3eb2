//! `ottla group list`

use clap::Args;
use ottla_client::GroupListing;

use crate::exit::{Exit, Failure};
use crate::output::{Output, say};
use crate::session::{Session, Shared};

/// List the groups and their states.
///
/// Stable: members share the partitions. PreparingRebalance, CompletingRebalance: they are about to share them anew.
/// Empty: no members, but offsets.
#[derive(Args)]
#[command(after_help = "Example:
  ottla group list --json | jq -r 'select(.state == \"Empty\").group'")]
pub(crate) struct List {
    #[command(flatten)]
    shared: Shared,
}

impl List {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        self.shared.run(async |session| list(&session).await)
    }
}

async fn list(session: &Session) -> Result<(), Failure> {
    let groups = session.admin.list_groups().await?;
    let mut output = Output::stdout();
    if session.json {
        for group in &groups {
            output.object(&serde_json::json!({
                "group": group.id,
                "state": group.state,
                "kind": group.kind,
                "protocol_type": group.protocol_type,
            }))?;
        }
    } else if groups.is_empty() {
        say("there is no group yet; one comes to be with: ottla consume TOPIC --group NAME");
    } else {
        let known = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text.to_owned()
            }
        };
        let row = |group: &GroupListing| [group.id.clone(), known(&group.state), known(&group.protocol_type)];
        output.table(
            ["GROUP", "STATE", "PROTOCOL"],
            &groups.iter().map(row).collect::<Vec<_>>(),
        )?;
    }
    output.flush()
}
