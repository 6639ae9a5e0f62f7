//! The engine that decides.

mod limits;

pub use limits::{DailyLossBasis, Limits, OnTrip};
