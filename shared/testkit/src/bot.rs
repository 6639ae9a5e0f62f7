//! A scripted bot: says on `gateway.sock` what a scenario wants said.

use std::path::Path;
use std::time::Duration;

use daemon::client::Client;
use daemon::clock;
use daemon::deployment::Deployment;
use money::{Price, Qty};
use protocol::frame::Empty;
use protocol::gateway::{BotHello, Cancel, GatewayReply, GatewayRequest, Placed};
use protocol::venue::Position;
use protocol::{Intent, IntentId, OrderType, Outcome, Side, Symbol, Tag};

use crate::{PlayError, until};

/// How long an answer may take; an order may wait for a throttled request.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bot that does what it is told.
#[derive(Debug)]
pub struct BotPlayer {
    client: Client,
    named: u32,
}

/// A market order with nothing attached.
pub fn intent(name: IntentId, symbol: Symbol, side: Side, qty: Qty) -> Intent {
    Intent {
        intent_id: name,
        at: clock::wall_now(),
        symbol,
        side,
        order_type: OrderType::Market,
        qty,
        price: None,
        time_in_force: None,
        reduce_only: false,
        take_profit: None,
        stop_loss: None,
    }
}

impl BotPlayer {
    /// Connects and says hello.
    pub fn connect(dir: &Path) -> Result<Self, PlayError> {
        let path = Deployment::at(dir).gateway_socket();
        let client = Client::connect(&path, PATIENCE).map_err(|e| socket(&e))?;
        let mut bot = Self { client, named: 0 };
        let name = "player".to_owned();
        let reply = bot.ask(&GatewayRequest::Hello(BotHello { name }))?;
        // A gateway that is ending says that it did not answer.
        if let GatewayReply::Welcome(_) = reply {
            Ok(bot)
        } else {
            Err(unexpected(&reply))
        }
    }

    /// Asks anything of the gateway.
    pub fn ask(&mut self, request: &GatewayRequest) -> Result<GatewayReply, PlayError> {
        self.client
            .request(request, PATIENCE)
            .map_err(|e| socket(&e))
    }

    /// Places an order.
    pub fn place(&mut self, intent: Intent) -> Result<Placed, PlayError> {
        let reply = self.ask(&GatewayRequest::Place(intent))?;
        if let GatewayReply::Placed(placed) = reply {
            Ok(placed)
        } else {
            Err(unexpected(&reply))
        }
    }

    /// Buys at the market; the intent gets a name of its own.
    pub fn buy(&mut self, symbol: Symbol, qty: Qty) -> Result<Placed, PlayError> {
        let name = self.name()?;
        self.place(intent(name, symbol, Side::Buy, qty))
    }

    /// Buys at the market with a stop loss.
    pub fn buy_with_stop(
        &mut self,
        symbol: Symbol,
        qty: Qty,
        stop_loss: Price,
    ) -> Result<Placed, PlayError> {
        let name = self.name()?;
        self.place(Intent {
            stop_loss: Some(stop_loss),
            ..intent(name, symbol, Side::Buy, qty)
        })
    }

    /// Sells at the market, reduce-only.
    pub fn close(&mut self, symbol: Symbol, qty: Qty) -> Result<Placed, PlayError> {
        let name = self.name()?;
        self.place(Intent {
            reduce_only: true,
            ..intent(name, symbol, Side::Sell, qty)
        })
    }

    /// Rests a limit order to buy.
    pub fn bid(&mut self, symbol: Symbol, qty: Qty, price: Price) -> Result<Placed, PlayError> {
        let name = self.name()?;
        let order = intent(name, symbol, Side::Buy, qty);
        self.place(Intent {
            order_type: OrderType::Limit,
            price: Some(price),
            ..order
        })
    }

    /// Cancels what an intent left resting.
    pub fn cancel(&mut self, intent_id: IntentId) -> Result<(), PlayError> {
        let reply = self.ask(&GatewayRequest::Cancel(Cancel { intent_id }))?;
        if let GatewayReply::Done(Empty {}) = reply {
            Ok(())
        } else {
            Err(unexpected(&reply))
        }
    }

    /// The positions the gateway last read.
    pub fn positions(&mut self) -> Result<Vec<Position>, PlayError> {
        let reply = self.ask(&GatewayRequest::Positions(Empty {}))?;
        if let GatewayReply::Positions(read) = reply {
            Ok(read.positions)
        } else {
            Err(unexpected(&reply))
        }
    }

    /// Waits until the gateway sees a position of this size; zero is flat.
    pub fn await_size(&mut self, symbol: Symbol, size: Qty) -> Result<(), PlayError> {
        until(30, &format!("a position of {size} {symbol}"), || {
            let positions = self.positions().map_err(|e| e.to_string())?;
            let held = positions
                .iter()
                .find(|position| position.symbol == symbol)
                .map_or(Qty::ZERO, |position| position.size);
            if held == size {
                Ok(())
            } else {
                Err(format!("{held}"))
            }
        })
    }

    fn name(&mut self) -> Result<IntentId, PlayError> {
        self.named = self.named.saturating_add(1);
        IntentId::new(&format!("play-{}-{}", clock::boot_now().0, self.named)).map_err(|e| {
            PlayError::Socket {
                socket: "gateway.sock".to_owned(),
                why: e.to_string(),
            }
        })
    }
}

/// The tag that refused an order; an error if it was not refused by the guard.
pub(crate) fn refusal(placed: &Placed) -> Result<Tag, PlayError> {
    if let Outcome::Denied(denial) = &placed.outcome {
        return Ok(denial.tag);
    }
    let why = format!(
        "{} was to be refused, but is {:?}",
        placed.intent_id, placed.outcome
    );
    Err(PlayError::Socket {
        socket: "gateway.sock".to_owned(),
        why,
    })
}

/// Nothing, if the venue took the order; an error otherwise.
pub(crate) fn accepted(placed: &Placed) -> Result<(), PlayError> {
    if matches!(placed.outcome, Outcome::Accepted { .. }) {
        return Ok(());
    }
    let why = format!(
        "{} was to be accepted, but is {:?}",
        placed.intent_id, placed.outcome
    );
    Err(PlayError::Socket {
        socket: "gateway.sock".to_owned(),
        why,
    })
}

fn socket(error: &dyn std::error::Error) -> PlayError {
    PlayError::Socket {
        socket: "gateway.sock".to_owned(),
        why: error.to_string(),
    }
}

fn unexpected(reply: &GatewayReply) -> PlayError {
    PlayError::Socket {
        socket: "gateway.sock".to_owned(),
        why: format!("answered {reply:?}"),
    }
}
