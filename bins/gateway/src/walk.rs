//! The start-up order: what the guard must hear, and in which order, before entries may go.
//!
//! ```text
//!  clock -> instruments -> approvals without outcome -> executions and closed trades since the
//!  watermark -> positions, leverage -> open orders -> wallet -> prices -> synced
//! ```
//! A stop that filled while nobody was there is thus an execution before it is a position that is
//! gone. Exits do not wait for the walk: one that fills between the two reads would make them
//! disagree, so they are read again until nothing has moved meanwhile. The walk begins anew with
//! each connection to the guard.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use money::{Qty, Ratio};
use protocol::guard::{GuardWelcome, Observation};
use protocol::venue::Position;
use protocol::{BootMs, Symbol};
use tokio::sync::watch;

use crate::event::{Event, Teller};
use crate::hands::Hands;
use crate::read;
use crate::resolve::Missing;
use crate::settings::Settings;
use crate::venue::Fault;

/// How often executions and positions are read again because an exit filled in between.
const ROUNDS_MOST: u32 = 8;

/// What a walk is made with.
#[derive(Debug, Clone)]
pub struct Route {
    /// The config in force.
    pub settings: Rc<Settings>,
    /// What the guard said to its hello.
    pub welcome: Rc<GuardWelcome>,
    /// How many orders are still being looked up; zero lets the walk go on.
    pub unresolved: watch::Receiver<usize>,
    /// Symbols that someone follows beyond the configured one.
    pub symbols: BTreeSet<Symbol>,
}

/// Walks it once and says how it went.
pub async fn run(hands: Hands, route: Route) {
    let result = walk(&hands, route).await;
    hands.owner.tell(Event::Walked(result));
}

async fn walk(hands: &Hands, mut route: Route) -> Result<(), Fault> {
    read::clock(hands).await?;
    instruments(hands, &route.symbols_known()).await?;
    resolve(hands, &mut route).await;
    let lag_ms = route.settings.config.limits.venue_lag_ms;
    let symbol = route.settings.topic.symbol;
    leverage(hands, symbol, route.settings.config.perps.leverage).await?;
    let mut before = sizes(&hands.venue.positions().await?);
    let mut rounds = 0;
    let (begun, positions) = loop {
        read::executions(hands, route.welcome.executions_since, lag_ms).await?;
        read::closed(hands, route.welcome.closed_since, lag_ms).await?;
        let begun = hands.venue.begun();
        let positions = hands.venue.positions().await?;
        let now = sizes(&positions);
        rounds += 1;
        // A venue that never rests is compared as it is; the guard then blocks, and says why.
        if now == before || rounds == ROUNDS_MOST {
            break (begun, positions);
        }
        before = now;
    };
    let held = positions.iter().filter(|position| !position.size.is_zero());
    let held: BTreeSet<Symbol> = held.map(|position| position.symbol).collect();
    // A position in a symbol of which nothing is known yet: its steps are needed to close it.
    let strange: BTreeSet<Symbol> = held.difference(&route.symbols_known()).copied().collect();
    if !strange.is_empty() {
        // Each telling replaces the one before.
        let all = route.symbols_known().union(&strange).copied().collect();
        instruments(hands, &all).await?;
    }
    hands.seen(begun, Observation::Positions(positions));
    read::open_orders(hands).await?;
    read::wallet(hands).await?;
    for symbol in route.symbols_known().union(&held) {
        let begun = hands.venue.begun();
        let ticker = hands.venue.ticker(*symbol).await?;
        hands.seen(begun, Observation::Tickers(vec![ticker]));
    }
    hands.seen(hands.venue.begun(), Observation::Synced);
    Ok(())
}

/// What is held, as far as a fill would change it.
fn sizes(positions: &[Position]) -> BTreeMap<Symbol, Qty> {
    let held = positions.iter().filter(|row| !row.size.is_zero());
    held.map(|row| (row.symbol, row.size)).collect()
}

/// Reads the steps of these symbols.
pub async fn instruments(hands: &Hands, symbols: &BTreeSet<Symbol>) -> Result<(), Fault> {
    let begun = hands.venue.begun();
    hands.venue.read_instruments().await?;
    let mut rows = Vec::new();
    for symbol in symbols {
        rows.extend(hands.venue.instrument(*symbol).await?);
    }
    hands.seen(begun, Observation::Instruments(rows));
    Ok(())
}

/// Has every approval without outcome looked up, and waits until the guard counts them settled.
async fn resolve(hands: &Hands, route: &mut Route) {
    let now: BootMs = daemon::clock::boot_now();
    for approval in &route.welcome.unresolved {
        let missing = Missing::of(approval, route.welcome.executions_since);
        hands.owner.tell(Event::Ambiguous(missing, now));
    }
    if !route.welcome.unresolved.is_empty() {
        all_settled(&hands.owner, &mut route.unresolved).await;
    }
}

/// Waits until nothing is looked up any more. What was told to the owner before counts, even if it
/// was settled before anybody looked.
async fn all_settled(owner: &Teller, unresolved: &mut watch::Receiver<usize>) {
    owner.reached().await;
    drop(unresolved.wait_for(|count| *count == 0).await);
}

/// Sets the configured leverage while the symbol is flat. With a position open it is left alone:
/// raising it would open risk, lowering it needs margin.
async fn leverage(hands: &Hands, symbol: Symbol, wanted: Ratio) -> Result<(), Fault> {
    let row = hands.venue.position(symbol).await?;
    if row.leverage == Some(wanted) {
        return Ok(());
    }
    if !row.size.is_zero() {
        tracing::warn!("a {symbol} position is open: its leverage stays as it is, not {wanted}");
        return Ok(());
    }
    if hands.guard.leave().frozen() {
        return Ok(());
    }
    match hands.sender.set_leverage(symbol, wanted).await {
        Ok(()) => {
            tracing::info!("leverage of {symbol} is {wanted}");
            // What holds is the venue's word, not ours.
            hands.venue.position(symbol).await.map(drop)
        }
        Err(Fault::Refused { code, message, .. }) => {
            tracing::warn!("leverage of {symbol} could not be set to {wanted}: {message} ({code})");
            Ok(())
        }
        Err(other) => Err(other),
    }
}

impl Route {
    fn symbols_known(&self) -> BTreeSet<Symbol> {
        let configured = std::iter::once(self.settings.topic.symbol);
        configured.chain(self.symbols.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// An owner that counts up and down again before the walk looks, or only afterwards.
    async fn settles(counts: &[usize], later: &[usize]) {
        let (teller, events) = Teller::new();
        let (count, mut unresolved) = watch::channel(0);
        let owner = async {
            let Event::Reached(say) = events.next().await else {
                panic!("not asked");
            };
            for n in counts {
                count.send_replace(*n);
            }
            say.send(()).unwrap();
            for n in later {
                tokio::task::yield_now().await;
                count.send_replace(*n);
            }
        };
        let both = async { tokio::join!(owner, all_settled(&teller, &mut unresolved)) };
        let both = tokio::time::timeout(Duration::from_secs(5), both).await;
        assert!(both.is_ok(), "{counts:?} {later:?}");
        assert_eq!(*unresolved.borrow(), 0);
    }

    #[tokio::test]
    async fn what_is_settled_before_anybody_looks_holds_up_nothing() {
        settles(&[1, 0], &[]).await;
        settles(&[2], &[1, 0]).await;
        settles(&[1, 0, 1], &[0]).await;
    }
}
