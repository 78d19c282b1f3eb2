//! `ottla topic create`

use clap::Args;
use ottla_client::NewTopic;
use ottla_model::ErrorCode;

use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, say};
use crate::session::{Session, Shared, assignment};

/// Create a topic.
#[derive(Args)]
#[command(after_help = "Examples:
  ottla topic create orders --partitions 6
  ottla topic create sessions --config cleanup.policy=compact --config retention.ms=86400000")]
pub(crate) struct Create {
    /// Its name: letters, digits, dots, underscores and hyphens
    name: String,
    /// How many partitions; a group can share out no finer than that [default: the broker's num.partitions]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// A property of the topic, by Kafka's name; may be repeated
    #[arg(long = "config", value_name = "NAME=VALUE", value_parser = assignment)]
    configs: Vec<(String, String)>,
    #[command(flatten)]
    shared: Shared,
}

impl Create {
    pub(crate) fn run(self) -> Result<Exit, Failure> {
        let shared = self.shared.clone();
        shared.run(async |session| self.create(&session).await)
    }

    async fn create(self, session: &Session) -> Result<(), Failure> {
        let name = self.name;
        let topic = NewTopic {
            name: name.clone(),
            partitions: self.partitions,
            configs: self.configs,
            ..NewTopic::default()
        };
        for (_, outcome) in session.admin.create_topics(&[topic], false).await? {
            outcome.map_err(|error| match error.code() {
                Some(ErrorCode::TopicAlreadyExists) => Failure::failed(format!(
                    "topic {name} exists already; `ottla topic describe {name}` shows it"
                )),
                _ => Failure::from(error),
            })?;
        }
        let created = session.topics(std::slice::from_ref(&name)).await?;
        let partitions = created.first().map_or(0, |topic| topic.partitions.len());
        if session.json {
            let mut output = Output::stdout();
            output.object(&serde_json::json!({ "topic": name, "partitions": partitions }))?;
            return output.flush();
        }
        say(format_args!(
            "created topic {name} with {}",
            counted(partitions, "partition")
        ));
        Ok(())
    }
}
