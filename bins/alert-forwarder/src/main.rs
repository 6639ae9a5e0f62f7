//! The alert-forwarder: takes alerts from every process and delivers them at least once.
#![allow(dead_code, reason = "being built")]
mod delivery;
mod spool;
fn main() {}
