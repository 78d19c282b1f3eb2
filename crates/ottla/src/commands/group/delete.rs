//! `ottla group delete`

use clap::Args;
use ottla_client::ClientError;
use ottla_model::ErrorCode;

use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, say};
use crate::session::{Session, Shared, unknown_group};

/// Delete groups and the offsets they committed. A group must have no members.
#[derive(Args)]
#[command(after_help = "Example:
  ottla group delete billing")]
pub(crate) struct Delete {
    /// The groups
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    shared: Shared,
}

impl Delete {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let names = self.names;
        self.shared.run(async |session| delete(&session, &names).await)
    }
}

/// Goes on after a group that cannot be deleted, and fails in the end.
async fn delete(session: &Session, names: &[String]) -> Result<(), Failure> {
    let mut output = Output::stdout();
    let mut failure = None;
    for name in names {
        match session.admin.delete_group(name).await {
            Ok(()) if session.json => output.object(&serde_json::json!({ "group": name, "deleted": true }))?,
            Ok(()) => say(format_args!("deleted group {name} and its offsets")),
            Err(error) => {
                if let Some(earlier) = failure.replace(explain(session, name, error).await?) {
                    say(format_args!("ottla: {earlier}"));
                }
            }
        }
    }
    output.flush()?;
    failure.map_or(Ok(()), Err)
}

async fn explain(session: &Session, name: &str, error: ClientError) -> Result<Failure, Failure> {
    match error.code() {
        Some(ErrorCode::GroupIdNotFound) => Ok(unknown_group(name, &session.group(name).await?.1)),
        Some(ErrorCode::NonEmptyGroup) => {
            let members = session.admin.describe_group(name).await?.members.len();
            let members = counted(members, "member");
            Ok(Failure::failed(format!(
                "group {name} has {members}; stop what consumes in it, `ottla group describe {name}` shows where"
            )))
        }
        _ => Ok(error.into()),
    }
}
