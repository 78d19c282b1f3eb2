//! The cases, a file for each row or family of rows of the table.

pub mod catch_up;
pub mod commits;
pub mod compressed;
pub mod connections;
pub mod durable;
pub mod end_to_end;
pub mod fan_out;
pub mod librdkafka;
pub mod many_groups;
pub mod memory;
pub mod partitions;
pub mod produce;
pub mod rebalance;
pub mod reopen;
pub mod safety;
pub mod small_batches;
pub mod spread;
pub mod start;
pub mod tail;
pub mod transactions;
