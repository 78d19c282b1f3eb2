//! The load: requests made beforehand, sent when they are due or as fast as they are answered, over a few connections that one
//! thread serves. Nothing is allocated for a request; what is measured is the broker.

mod answer;
mod batch;
mod fetch;
mod frame;
mod lane;
mod link;
mod run;

pub use batch::{Payload, batch};
pub use fetch::{FetchPlan, Fetcher};
pub use frame::Producer;
pub use lane::{Lane, ProducePlan};
pub use run::{Limit, Outcome, Pace, Run};
