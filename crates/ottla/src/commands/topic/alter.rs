//! `ottla topic alter`

use clap::Args;
use ottla_client::{ConfigChange, Resource};

use crate::exit::{Exit, Failure};
use crate::output::{Output, say};
use crate::session::{Session, Shared, assignment};

/// Give a topic more partitions, or other properties.
///
/// Partitions are only ever added. Keys go to other partitions from then on.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["partitions", "set", "unset"]))]
#[command(after_help = "Examples:
  ottla topic alter orders --partitions 12
  ottla topic alter orders --set retention.ms=3600000 --unset cleanup.policy")]
pub(crate) struct Alter {
    /// The topic
    name: String,
    /// How many partitions it shall have in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Set a property, by Kafka's name; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Take a property back to its default; may be repeated
    #[arg(long, value_name = "NAME")]
    unset: Vec<String>,
    #[command(flatten)]
    shared: Shared,
}

impl Alter {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let shared = self.shared.clone();
        shared.run(async |session| self.alter(&session).await)
    }

    async fn alter(self, session: &Session) -> Result<(), Failure> {
        let names = [self.name];
        let name = &names[0];
        let topics = session.topics(&names).await?;
        let before = topics.first().map_or(0, |topic| topic.partitions.len());
        let set = self
            .set
            .iter()
            .cloned()
            .map(|(name, value)| ConfigChange::Set(name, value));
        let unset = self.unset.iter().cloned().map(ConfigChange::Delete);
        let changes: Vec<_> = set.chain(unset).collect();
        if let Some(total) = self.partitions {
            if total as usize <= before {
                return Err(Failure::usage(format!(
                    "topic {name} has {before} partitions already, and partitions are only ever added"
                )));
            }
            session.admin.create_partitions(name, total).await?;
            say(format_args!("topic {name}: {before} -> {total} partitions"));
        }
        if !changes.is_empty() {
            let resource = Resource::Topic(name.clone());
            session.admin.alter_configs(&resource, &changes, false).await?;
            say(format_args!("topic {name}: properties changed"));
        }
        if session.json {
            let mut output = Output::stdout();
            let total = self.partitions.map_or(before, |total| total as usize);
            output.object(&serde_json::json!({ "topic": name, "partitions": total }))?;
            output.flush()?;
        }
        Ok(())
    }
}
