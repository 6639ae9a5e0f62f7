//! The venue's wire: its JSON, its signature, its limits, its clock.
//!
//! What this room is for: asking Zoomex V3 and reading what it answers, into the words of
//! `protocol::venue`. What it does not do: decide what may be sent (the guard does), hold orders or
//! positions, load keys, or retry an order.
//!
//! How the gateway uses it:
//! 1. [`install_crypto_provider`] first thing in `main`.
//! 2. [`connect`] with [`Settings`], [`Credentials`] and [`Surroundings`]: a [`Reader`] (clones
//!    share everything) and the one [`Trader`].
//! 3. [`Reader::sync_clock`] before any signed call, and now and then after.
//! 4. For an order that must be allowed first: [`Trader::slot`], then the guard, then
//!    [`Trader::create_in`]. The slot counts against the caps from being taken until it is used or
//!    dropped, and what was allowed never waits in a queue.
//! 5. On an error of a POST: [`ExchangeError::is_ambiguous`] means look it up by link id
//!    ([`Reader::find_order`]); anything else means that nothing is there.
//!
//! | an error of a POST | what it means |
//! | --- | --- |
//! | `NotSent`, `Banned` | it did not reach the venue, or the venue shut the door |
//! | `Refused` | the venue said no; nothing happened. [`ExchangeError::gone`]: no such order |
//! | [`ExchangeError::already_there`] | an earlier send of this link id arrived: look it up |
//! | `Fatal` | key, signature, permission or address: no retry will mend it |
//! | `Unknown`, `Unreadable` | nobody knows: look it up |
//!
//! What changes something goes over connections of its own that are kept open (`lane`), the clock's
//! question with it, so that they stay warm; reads go through reqwest.
//!
//! Only 10002 (time stamp outside the window, never executed) is sent again by the client itself,
//! once, after a sync; an order that was allowed beforehand only if that is possible at once.
//! Reads are never repeated here: the gateway reads again by its own plan.

mod answer;
mod call;
mod client;
mod clock;
mod credentials;
pub mod decoders;
mod error;
mod http;
mod lane;
mod limiter;
mod number;
mod reader;
pub mod signing;
pub mod stream;
mod trader;
mod venue;
mod whose;
mod wire;

pub use call::Settings;
pub use client::{Surroundings, Throttle};
pub use clock::VenueClock;
pub use credentials::Credentials;
pub use error::ExchangeError;
pub use limiter::{BAN_MS, Cause};
pub use number::FieldError;
pub use reader::Reader;
pub use trader::{Slot, Trader};
pub use venue::Venue;
pub use wire::orders::{AmendOrder, NewOrder, OrderName};
pub use wire::wallet::AccountType;

/// Makes ring the one crypto provider of this process. Later calls change nothing.
pub fn install_crypto_provider() {
    // It fails only if a provider is there already, and this is the only one in the tree.
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// Makes the two halves of a client. Nothing is sent yet.
pub fn connect(
    settings: Settings,
    credentials: Credentials,
    surroundings: Box<dyn Surroundings>,
) -> Result<(Reader, Trader), ExchangeError> {
    let shared = client::Shared::new(settings, credentials, surroundings)?;
    Ok((
        Reader::over(std::sync::Arc::clone(&shared)),
        Trader::over(shared),
    ))
}
