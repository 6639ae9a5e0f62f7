//! The conversation with the gateway: candles in, orders out.

use std::path::Path;
use std::time::Duration;

use config::StrategySettings;
use daemon::client::{Client, ClientError};
use daemon::clock;
use money::{MoneyError, Ratio};
use protocol::frame::{Empty, ErrorBody};
use protocol::gateway::{
    BotHello, BotWelcome, CandleQuery, CandleTopic, GatewayPush, GatewayReply, GatewayRequest,
    Subscribe, SymbolQuery,
};
use protocol::venue::{Candle, Instrument, Position};
use protocol::{Intent, IntentId, OrderType, Outcome, Side};
use thiserror::Error;

use crate::sizing::{Sizing, bracket};
use crate::strategy::{Lookback, View, view};

const LOOKBACK: Lookback = Lookback { fast: 5, slow: 13, atr: 14 };
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
    #[error("the gateway refused: {0}")]
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
    let hello = GatewayRequest::Hello(BotHello { name: "perps-bot".to_owned() });
    let GatewayReply::Welcome(welcome) = ask(&mut client, &hello)? else {
        return Err(BotError::Unexpected("no welcome".to_owned()));
    };
    let symbol = SymbolQuery { symbol: welcome.symbol };
    let GatewayReply::Instrument(instrument) =
        ask(&mut client, &GatewayRequest::Instrument(symbol))?
    else {
        return Err(BotError::Unexpected("no instrument".to_owned()));
    };
    let topic = CandleTopic { symbol: welcome.symbol, interval: welcome.interval };
    let topics = Subscribe { candles: vec![topic], tickers: Vec::new() };
    ask(&mut client, &GatewayRequest::Subscribe(topics))?;
    let mut bot = Bot { client, welcome, instrument, sizing: sizing(settings)?, placed: 0 };
    loop {
        // Between candles there is nothing to do; an hour of silence only means a quiet market.
        if let Some(GatewayPush::Candle(news)) = bot.client.next_push(Duration::from_secs(3600))?
            && news.closed
        {
            bot.on_candle(settings.early_exit_on_cross)?;
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
}

impl Bot {
    /// A candle has closed: enter on a cross, leave when the trend turns.
    fn on_candle(&mut self, exit_on_cross: bool) -> Result<(), BotError> {
        let Some(seen) = view(&self.closed_candles()?, LOOKBACK) else { return Ok(()) };
        match self.position()? {
            None if seen.crossed_up => self.enter(&seen),
            Some(held) if exit_on_cross && !seen.rising => self.leave(&held),
            None | Some(_) => Ok(()),
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
        let what = format!("{} {} {}", order.side, order.qty, order.symbol);
        let GatewayReply::Placed(placed) = self.ask(&GatewayRequest::Place(order))? else {
            return Err(BotError::Unexpected("no outcome".to_owned()));
        };
        let how = match placed.outcome {
            Outcome::Accepted { .. } => "accepted".to_owned(),
            Outcome::Rejected { code, message } => format!("rejected by the venue: {code} {message}"),
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
        let query = CandleQuery { symbol, interval, limit: CANDLES };
        match self.ask(&GatewayRequest::Candles(query))? {
            GatewayReply::Candles(mut read) => {
                read.candles.pop();
                Ok(read.candles)
            }
            other => Err(BotError::Unexpected(format!("{other:?}"))),
        }
    }

    fn position(&mut self) -> Result<Option<Position>, BotError> {
        match self.ask(&GatewayRequest::Positions(Empty {}))? {
            GatewayReply::Positions(read) => {
                Ok(read.positions.into_iter().find(|held| held.symbol == self.welcome.symbol))
            }
            other => Err(BotError::Unexpected(format!("{other:?}"))),
        }
    }

    fn ask(&mut self, request: &GatewayRequest) -> Result<GatewayReply, BotError> {
        ask(&mut self.client, request)
    }
}

fn ask(client: &mut Client, request: &GatewayRequest) -> Result<GatewayReply, BotError> {
    match client.request(request, PATIENCE)? {
        GatewayReply::Error(error) => Err(error.into()),
        reply => Ok(reply),
    }
}
