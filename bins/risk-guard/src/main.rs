//! trial
#![allow(dead_code, reason = "trial")]
mod alerts_out;
mod connections;
mod door;
mod gateway_seat;
mod hearing;
mod snapshot_parts;
mod venue_time;
mod wire;
fn main() {}
