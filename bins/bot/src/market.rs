//! The conversation with the gateway: candles in, orders out.

use std::path::Path;
use std::time::Duration;

use config::StrategySettings;
use daemon::client::{Client, ClientError};
use daemon::clock;
use money::{MoneyError, Ratio};
use perps_bot::sizing::{Sizing, bracket};
use perps_bot::strategy::{LOOKBACK, View, view};
use protocol::frame::{Empty, ErrorBody, ErrorCode};
use protocol::gateway::{
    BotHello, BotWelcome, CandleQuery, CandleTopic, GatewayPush, GatewayReply, GatewayRequest,
    Subscribe, SymbolQuery,
};
use protocol::venue::{Candle, Instrument, Position};
use protocol::{Intent, IntentId, OrderType, Outcome, Side, VenueMs};
use thiserror::Error;

/// Candles asked for; a few more than the longest look-back needs.
const CANDLES: u16 = 40;
/// The stop lies at least this many halves of an average true range away.
const ATR_STOP_HALVES: i64 = 3;
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the bot stopped. Its supervisor starts it again.
#[derive(Debug, Error)]
pub(crate) enum BotError {
    #[error("gateway")]
    Gateway(#[from] ClientError),
    #[error("the gateway refused")]
    Refused(#[from] ErrorBody),
    #[error("the gateway answered {0}")]
    Unexpected(String),
    #[error("arithmetic")]
    Money(#[from] MoneyError),
    #[error("intent id")]
    Intent(#[from] protocol::IdError),
}

/// Trades until the gateway goes away.
pub(crate) fn trade(socket: &Path, settings: &StrategySettings) -> Result<(), BotError> {
    let mut client = Client::connect(socket, PATIENCE)?;
    let hello = GatewayRequest::Hello(BotHello {
        name: "perps-bot".to_owned(),
    });
    let GatewayReply::Welcome(welcome) = ask(&mut client, &hello)? else {
        return Err(BotError::Unexpected("no welcome".to_owned()));
    };
    let symbol = SymbolQuery {
        symbol: welcome.symbol,
    };
    let GatewayReply::Instrument(instrument) =
        ask(&mut client, &GatewayRequest::Instrument(symbol))?
    else {
        return Err(BotError::Unexpected("no instrument".to_owned()));
    };
    let topic = CandleTopic {
        symbol: welcome.symbol,
        interval: welcome.interval,
    };
    let topics = Subscribe {
        candles: vec![topic],
        tickers: Vec::new(),
    };
    ask(&mut client, &GatewayRequest::Subscribe(topics))?;
    let mut bot = Bot {
        client,
        welcome,
        instrument,
        sizing: sizing(settings)?,
        placed: 0,
        acted_on: None,
        was_rising: None,
        expecting: false,
    };
    loop {
        // Between candles there is nothing to do; an hour of silence only means a quiet market.
        if let Some(GatewayPush::Candle(news)) = bot.client.next_push(Duration::from_hours(1))?
            && news.closed
        {
            match bot.on_candle(settings.early_exit_on_cross) {
                // At a start the venue is being read: the next candle is soon enough.
                Err(BotError::Refused(error)) if error.code == ErrorCode::NotReady => {
                    anstream::eprintln!("perps-bot: waits for the gateway: {error}");
                }
                done => done?,
            }
        }
    }
}

fn sizing(settings: &StrategySettings) -> Result<Sizing, BotError> {
    Ok(Sizing {
        risk: settings.risk_pct,
        stop_loss: settings.stop_loss_pct,
        take_profit: settings.take_profit_pct,
        deploy_cap: settings.cash_deploy_cap,
        atr_multiple: Ratio::new(money::Decimal::new(ATR_STOP_HALVES * 5, 1))?,
    })
}

struct Bot {
    client: Client,
    welcome: BotWelcome,
    instrument: Instrument,
    sizing: Sizing,
    placed: u64,
    /// The newest closed candle that has been looked at.
    acted_on: Option<VenueMs>,
    /// Whether the trend was up at the last look.
    was_rising: Option<bool>,
    /// An entry has been accepted and does not show in the positions yet.
    expecting: bool,
}

impl Bot {
    /// A candle has closed: enter on a cross, leave when the trend turns.
    fn on_candle(&mut self, exit_on_cross: bool) -> Result<(), BotError> {
        let closed = self.closed_candles()?;
        let newest = closed.last().map(|candle| candle.start);
        if newest <= self.acted_on {
            // News of older candles come late when many close at once.
            return Ok(());
        }
        self.acted_on = newest;
        let Some(seen) = view(&closed, LOOKBACK) else {
            return Ok(());
        };
        let was_rising = self.was_rising.replace(seen.rising);
        let crossed_up = seen.rising && was_rising == Some(false);
        match self.position()? {
            Some(held) => {
                self.expecting = false;
                if exit_on_cross && !seen.rising {
                    self.leave(&held)
                } else {
                    Ok(())
                }
            }
            None if crossed_up && !self.expecting => self.enter(&seen),
            None => Ok(()),
        }
    }

    fn enter(&mut self, seen: &View) -> Result<(), BotError> {
        let GatewayReply::Wallet(read) = self.ask(&GatewayRequest::Wallet(Empty {}))? else {
            return Err(BotError::Unexpected("no wallet".to_owned()));
        };
        let equity = read.wallet.equity;
        let sized = bracket(&self.sizing, &self.instrument, equity, seen.close, seen.atr)?;
        let Some(bracket) = sized else { return Ok(()) };
        let mut order = self.market_order(Side::Buy, bracket.qty)?;
        order.stop_loss = Some(bracket.stop_loss);
        order.take_profit = Some(bracket.take_profit);
        self.place(order)
    }

    fn leave(&mut self, held: &Position) -> Result<(), BotError> {
        let mut order = self.market_order(Side::Sell, held.size)?;
        order.reduce_only = true;
        self.place(order)
    }

    fn place(&mut self, order: Intent) -> Result<(), BotError> {
        let reduces = order.reduce_only;
        let what = format!("{} {} {}", order.side, order.qty, order.symbol);
        let GatewayReply::Placed(placed) = self.ask(&GatewayRequest::Place(order))? else {
            return Err(BotError::Unexpected("no outcome".to_owned()));
        };
        let how = match placed.outcome {
            Outcome::Accepted { .. } => {
                self.expecting = !reduces;
                "accepted".to_owned()
            }
            Outcome::Rejected { code, message } => {
                format!("rejected by the venue: {code} {message}")
            }
            Outcome::Denied(denial) => format!("refused: {} {}", denial.tag, denial.message),
            Outcome::NotSent { why } => format!("not sent: {why}"),
            Outcome::Ambiguous { why } => format!("unknown, being looked up: {why}"),
            Outcome::Pending => "pending".to_owned(),
        };
        anstream::println!("{what}: {how}");
        Ok(())
    }

    fn market_order(&mut self, side: Side, qty: money::Qty) -> Result<Intent, BotError> {
        self.placed = self.placed.saturating_add(1);
        let at = clock::wall_now();
        Ok(Intent {
            intent_id: IntentId::new(&format!("bot-{}-{}", at.0, self.placed))?,
            at,
            symbol: self.welcome.symbol,
            side,
            order_type: OrderType::Market,
            qty,
            price: None,
            time_in_force: None,
            reduce_only: false,
            take_profit: None,
            stop_loss: None,
        })
    }

    /// The closed candles: all but the newest.
    fn closed_candles(&mut self) -> Result<Vec<Candle>, BotError> {
        let (symbol, interval) = (self.welcome.symbol, self.welcome.interval);
        let query = CandleQuery {
            symbol,
            interval,
            limit: CANDLES,
        };
        let reply = self.ask(&GatewayRequest::Candles(query))?;
        let GatewayReply::Candles(mut read) = reply else {
            return Err(BotError::Unexpected(format!("{reply:?}")));
        };
        read.candles.pop();
        Ok(read.candles)
    }

    fn position(&mut self) -> Result<Option<Position>, BotError> {
        let reply = self.ask(&GatewayRequest::Positions(Empty {}))?;
        let GatewayReply::Positions(read) = reply else {
            return Err(BotError::Unexpected(format!("{reply:?}")));
        };
        Ok(read
            .positions
            .into_iter()
            .find(|held| held.symbol == self.welcome.symbol))
    }

    fn ask(&mut self, request: &GatewayRequest) -> Result<GatewayReply, BotError> {
        ask(&mut self.client, request)
    }
}

fn ask(client: &mut Client, request: &GatewayRequest) -> Result<GatewayReply, BotError> {
    let reply = client.request(request, PATIENCE)?;
    if let GatewayReply::Error(error) = reply {
        Err(error.into())
    } else {
        Ok(reply)
    }
}
