//! Checks that run a broker as its users do and then take its power, its disk or its patience: nothing acknowledged may
//! be lost, nothing may be seen twice, and no input may bring it down.
//!
//! The broker is only ever talked to from outside: by its binary, its signals, its port and its files.

pub mod bad_input;
pub mod breakage;
pub mod broker;
pub mod checker;
pub mod client;
pub mod connection;
pub mod content;
pub mod disk_full;
pub mod dump;
pub mod evidence;
pub mod flush_fails;
pub mod flushes;
pub mod history;
pub mod kill;
pub mod ledger;
pub mod load;
pub mod lock;
pub mod random;
pub mod small_disk;
pub mod trace;
pub mod trouble;
