//! The cases, a file for each row or family of rows of the table.

pub mod catch_up;
pub mod end_to_end;
pub mod memory;
pub mod partitions;
pub mod produce;
pub mod safety;
pub mod start;
pub mod tail;
