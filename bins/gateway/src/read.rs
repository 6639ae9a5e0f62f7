//! One planned read: ask the venue, tell the owner what was seen.

use protocol::VenueMs;
use protocol::guard::Observation;

use crate::event::Event;
use crate::hands::Hands;
use crate::plan::Task;
use crate::venue::{Begun, Fault};

/// Candles that one read asks for: enough for a market that runs faster than its clock.
const CANDLES: u16 = 60;
/// Candles of the first read of a series, or after a gap.
const CANDLES_MOST: u16 = 1000;
/// How far back executions are read again, beyond the venue's lag.
const OVERLAP_MS: u64 = 5000;
/// How far back closed trades are: a row that comes later than the lag has blocked entries, and
/// still counts.
const ROW_OVERLAP_MS: u64 = 60_000;

/// From when on executions and closed trades are to be read.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    /// Executions.
    pub executions: VenueMs,
    /// Closed trades.
    pub closed: VenueMs,
    /// How late the venue may show them.
    pub lag_ms: u64,
}

impl Since {
    /// A read of executions begun at `begun` is complete: where the next begins.
    pub fn executions_read(&mut self, begun: Begun) {
        let back = self.lag_ms.saturating_add(OVERLAP_MS);
        self.executions = begun.venue.before(back);
    }

    /// The same for a read of closed trades.
    pub fn closed_read(&mut self, begun: Begun) {
        let back = self.lag_ms.saturating_add(ROW_OVERLAP_MS);
        self.closed = begun.venue.before(back);
    }
}

/// Carries a task out and says that it ended.
pub async fn run(hands: Hands, task: Task, since: Since, known_series: bool) {
    let begun = hands.venue.begun();
    let result = carry_out(&hands, task, since, begun, known_series).await;
    hands.owner.tell(Event::ReadEnded(task, begun, result));
}

async fn carry_out(
    hands: &Hands,
    task: Task,
    since: Since,
    begun: Begun,
    known_series: bool,
) -> Result<(), Fault> {
    match task {
        Task::Wallet => wallet(hands).await,
        Task::Positions => positions(hands).await,
        Task::OpenOrders => open_orders(hands).await,
        Task::Executions => executions(hands, since.executions, since.lag_ms).await,
        Task::ClosedPnl => closed(hands, since.closed, since.lag_ms).await,
        Task::ServerTime => clock(hands).await,
        Task::Ticker(symbol) => {
            let ticker = hands.venue.ticker(symbol).await?;
            hands.seen(begun, Observation::Tickers(vec![ticker]));
            Ok(())
        }
        Task::Candles(topic) => {
            let limit = if known_series { CANDLES } else { CANDLES_MOST };
            let candles = hands.venue.candles(topic, limit).await?;
            hands
                .owner
                .tell(Event::Candles(topic, candles, limit == CANDLES_MOST));
            Ok(())
        }
    }
}

/// The venue's clock against ours.
pub async fn clock(hands: &Hands) -> Result<(), Fault> {
    let skew = hands.venue.sync_clock().await?;
    hands.seen(hands.venue.begun(), Observation::ClockSkew(skew));
    Ok(())
}

/// The settle coin's row.
pub async fn wallet(hands: &Hands) -> Result<(), Fault> {
    let begun = hands.venue.begun();
    let wallet = hands.venue.wallet().await?;
    hands.seen(begun, Observation::Wallet(wallet));
    Ok(())
}

/// All positions.
pub async fn positions(hands: &Hands) -> Result<(), Fault> {
    let begun = hands.venue.begun();
    let positions = hands.venue.positions().await?;
    hands.seen(begun, Observation::Positions(positions));
    Ok(())
}

/// All open orders.
pub async fn open_orders(hands: &Hands) -> Result<(), Fault> {
    let begun = hands.venue.begun();
    let orders = hands.venue.open_orders().await?;
    hands.seen(begun, Observation::OpenOrders(orders));
    Ok(())
}

/// Executions from then on, and up to when none is missing.
pub async fn executions(hands: &Hands, since: VenueMs, lag_ms: u64) -> Result<(), Fault> {
    let begun = hands.venue.begun();
    let rows = hands.venue.executions(since).await?;
    if !rows.is_empty() {
        hands.seen(begun, Observation::Executions(rows));
    }
    let complete = begun.venue.before(lag_ms);
    hands.seen(begun, Observation::ExecutionsComplete(complete));
    Ok(())
}

/// Closed trades from then on, and up to when none is missing.
pub async fn closed(hands: &Hands, since: VenueMs, lag_ms: u64) -> Result<(), Fault> {
    let begun = hands.venue.begun();
    let rows = hands.venue.closed_trades(since).await?;
    if !rows.is_empty() {
        hands.seen(begun, Observation::ClosedTrades(rows));
    }
    let complete = begun.venue.before(lag_ms);
    hands.seen(begun, Observation::ClosedTradesComplete(complete));
    Ok(())
}

/// The longest read of a series, after a gap.
pub async fn long_candles(hands: &Hands, topic: protocol::gateway::CandleTopic) {
    match hands.venue.candles(topic, CANDLES_MOST).await {
        Ok(candles) => hands.owner.tell(Event::Candles(topic, candles, true)),
        Err(fault) => hands.owner.tell(Event::Refused(fault)),
    }
}
