//! The wire: REST in the venue's published shapes, in front of the simulated exchange.
//!
//! What this room is for: addresses, signatures, limits, faults, and turning books into rows. What
//! it does not do: decide what happens to an order (`matching`) or to a price (`prices`).
//!
//! ```text
//! connection -> address ban -> fault -> signature -> endpoint limit -> answer
//! ```

mod account;
mod answer;
mod app;
mod auth;
mod endpoint;
mod face;
mod limits;
mod listener;
mod market;
mod orders;
mod params;
mod positions;
mod stops;
mod trades;

pub(crate) use answer::{json_response, page};
pub use app::{App, Keys};
pub use face::serve;
pub use limits::Limits;
pub(crate) use listener::Peer;
