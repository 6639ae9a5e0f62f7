//! The only process that holds exchange keys: reads the venue, tells the guard, sends what the
//! guard allows.
//!
//! ```text
//!  bots --- gateway.sock ---> requests --> placing --> guard::Guard --> guard.sock
//!                                             |  permit
//!                                             v
//!  gateway::Gateway <-- event -- read, walk, send::Sender --> venue
//!   (the one owner)               flatten, openers
//! ```
//! What this room is for: one bot-facing socket, one connection to the guard, one way out to the
//! venue. What it does not do: decide (the guard does), write files, remember anything across a
//! restart (the guard does, and the venue).

mod alarm;
pub mod books;
pub mod candles;
pub mod credentials;
pub mod doubt;
pub mod event;
pub mod exits_alone;
pub mod feeds;
pub mod flatten;
pub mod gateway;
pub mod guard;
pub mod hands;
pub mod listeners;
pub mod normalise;
pub mod openers;
pub mod orders;
pub mod parts;
pub mod placing;
pub mod plan;
pub mod read;
pub mod resolve;
pub mod run;
pub mod send;
pub mod settings;
pub mod story;
pub mod ticks;
pub mod venue;
pub mod walk;
