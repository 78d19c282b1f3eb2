//! The load: requests made beforehand, sent when they are due or as fast as they are answered, over a few connections that one
//! thread serves. Nothing is allocated for a request; what is measured is the broker.

mod answer;
mod batch;
mod crowd;
mod exchange;
mod fetch;
mod frame;
mod lane;
mod link;
mod member;
mod ready;
mod run;
mod transactions;
mod visits;

pub use answer::check_committed;
pub use batch::{Payload, batch};
pub use crowd::Crowd;
pub use exchange::{Answers, Exchange};
pub use fetch::{FetchPlan, Fetcher};
pub use frame::Producer;
pub use lane::{Lane, ProducePlan};
pub use member::Member;
pub use run::{Limit, Outcome, Pace, Run};
pub use transactions::{Rhythm, TransactionPlan, Transactors};
pub use visits::{come_and_go, visit};
