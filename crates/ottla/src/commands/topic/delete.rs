//! `ottla topic delete`

use clap::Args;
use ottla_model::ErrorCode;

use crate::exit::{Exit, Failure};
use crate::output::{Output, say};
use crate::session::{Session, Shared};

/// Delete topics and all their records.
#[derive(Args)]
#[command(after_help = "Example:
  ottla topic delete orders orders-retry")]
pub(crate) struct Delete {
    /// The topics
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

/// Goes on after a topic that cannot be deleted, and fails in the end.
async fn delete(session: &Session, names: &[String]) -> Result<(), Failure> {
    let mut output = Output::stdout();
    let mut failure = None;
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    for (name, outcome) in session.admin.delete_topics(&asked).await? {
        match outcome {
            Ok(()) if session.json => output.object(&serde_json::json!({ "topic": name, "deleted": true }))?,
            Ok(()) => say(format_args!("deleted topic {name}")),
            Err(error) => {
                if let Some(earlier) = failure.take() {
                    say(format_args!("ottla: {earlier}"));
                }
                failure = Some(match error.code() {
                    Some(ErrorCode::UnknownTopicOrPartition) => session.unknown_topic(&name).await?,
                    _ => Failure::from(error),
                });
            }
        }
    }
    output.flush()?;
    failure.map_or(Ok(()), Err)
}
