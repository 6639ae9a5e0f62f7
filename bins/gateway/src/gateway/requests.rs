//! What bots ask on `gateway.sock` (`docs/protocol.md`), and what they are answered.

use daemon::clock::boot_now;
use daemon::server::{Incoming, Peer, Responder};
use protocol::frame::{Empty, ErrorBody, ErrorCode};
use protocol::gateway::{
    BotWelcome, Cancel, CandleQuery, CandleTopic, Candles, GatewayReply, GatewayRequest, Orders,
    Positions, Subscribe, WalletRead,
};
use protocol::order::Amend;
use protocol::{Intent, IntentId, OrderLinkId, Side, Symbol};

use super::{Gateway, TRADED_MOST};
use crate::books::Read;
use crate::event::Event;
use crate::placing::{self, Market};
use crate::venue::Fault;

/// Most candles that fit a line.
const CANDLES_MOST: u16 = 400;

type Answer = Responder<GatewayReply>;

const STRANGER: &str =
    "only root, the harness's own user, bot.user and the operators' group may speak here";

impl Gateway {
    /// Takes what comes in on the socket.
    pub fn on_bot(&mut self, incoming: Incoming<GatewayRequest, GatewayReply>) {
        match incoming {
            Incoming::Joined(peer) if !peer.may_come(self.settings.guests) => {
                peer.refuse(STRANGER);
            }
            Incoming::Joined(peer) => self.listeners.joined(peer),
            Incoming::Left(peer) => {
                if let Some(name) = self.listeners.left(&peer) {
                    tracing::info!("bot {name} has left");
                }
                self.refollow();
            }
            Incoming::Asked(peer, request, answer) => {
                if !peer.may_come(self.settings.guests) {
                    return answer.fail(ErrorBody::new(ErrorCode::Forbidden, STRANGER));
                }
                if let Err(error) = self.greeted(&peer, &request) {
                    answer.fail(error);
                    return;
                }
                self.asked(&peer, request, answer);
            }
        }
    }

    fn greeted(&self, peer: &Peer, request: &GatewayRequest) -> Result<(), ErrorBody> {
        let open = matches!(
            request,
            GatewayRequest::Hello(_) | GatewayRequest::Status(_) | GatewayRequest::Limits(_)
        );
        if open || self.listeners.knows(peer) {
            return Ok(());
        }
        Err(ErrorBody::new(ErrorCode::Forbidden, "say hello first"))
    }

    fn asked(&mut self, peer: &Peer, request: GatewayRequest, answer: Answer) {
        match request {
            GatewayRequest::Hello(hello) => {
                let pid = peer
                    .pid()
                    .map_or_else(|| "?".to_owned(), |pid| pid.to_string());
                tracing::info!("bot {} has come, process {pid}", hello.name.escape_debug());
                self.listeners
                    .named(peer, hello.name.escape_debug().to_string());
                answer.answer(&GatewayReply::Welcome(self.welcome()));
            }
            GatewayRequest::Subscribe(wants) => self.subscribe(peer, wants, answer),
            GatewayRequest::Candles(query) => self.candles(query, answer),
            GatewayRequest::Instrument(query) => self.instrument(query.symbol, answer),
            GatewayRequest::Place(intent) => self.place(intent, answer),
            GatewayRequest::Amend(change) => self.amend(change, answer),
            GatewayRequest::Cancel(cancel) => self.cancel(cancel, answer),
            GatewayRequest::Positions(Empty {}) => {
                answer_read(
                    answer,
                    self.books.positions.as_ref(),
                    "positions",
                    |age_ms, read| {
                        let held = read.iter().filter(|p| !p.size.is_zero()).cloned();
                        GatewayReply::Positions(Positions {
                            age_ms,
                            positions: held.collect(),
                        })
                    },
                );
            }
            GatewayRequest::Orders(Empty {}) => {
                answer_read(
                    answer,
                    self.books.open_orders.as_ref(),
                    "orders",
                    |age_ms, read| {
                        GatewayReply::Orders(Orders {
                            age_ms,
                            orders: read.clone(),
                        })
                    },
                );
            }
            GatewayRequest::Wallet(Empty {}) => {
                answer_read(
                    answer,
                    self.books.wallet.as_ref(),
                    "the wallet",
                    |age_ms, read| {
                        GatewayReply::Wallet(WalletRead {
                            age_ms,
                            wallet: read.clone(),
                        })
                    },
                );
            }
            GatewayRequest::Limits(Empty {}) => {
                let guard = self.hands.guard.clone();
                tokio::task::spawn_local(async move {
                    match guard.status().await {
                        Ok(status) => answer.answer(&GatewayReply::Limits(status)),
                        Err(error) => answer.fail(error),
                    }
                });
            }
            GatewayRequest::Status(Empty {}) => {
                answer.answer(&GatewayReply::Status(self.status()));
            }
        }
    }

    fn welcome(&self) -> BotWelcome {
        BotWelcome {
            mode: self.settings.mode,
            symbol: self.settings.topic.symbol,
            interval: self.settings.topic.interval,
            generation: self.settings.generation,
            state: self.hands.guard.leave().state(),
            ready: self.health.synced,
        }
    }

    fn subscribe(&mut self, peer: &Peer, wants: Subscribe, answer: Answer) {
        let candles = wants.candles.iter().map(|topic| topic.symbol);
        let mut symbols = candles.chain(wants.tickers.iter().copied());
        if let Some(strange) = symbols.find(|symbol| self.strange(*symbol)) {
            answer.fail(no_instrument(strange));
            return;
        }
        match self.listeners.subscribe(peer, wants) {
            Ok(()) => {
                self.refollow();
                answer.answer(&GatewayReply::Done(Empty {}));
            }
            Err(why) => answer.fail(ErrorBody::new(ErrorCode::BadBody, why)),
        }
    }

    fn candles(&self, query: CandleQuery, answer: Answer) {
        let CandleQuery {
            symbol,
            interval,
            limit,
        } = query;
        if limit == 0 || limit > CANDLES_MOST {
            let message = format!("limit is 1 to {CANDLES_MOST}, not {limit}");
            answer.fail(ErrorBody::new(ErrorCode::BadBody, message));
            return;
        }
        let topic = CandleTopic { symbol, interval };
        let known = self.books.candles.newest(topic, usize::from(limit));
        if known.len() >= usize::from(limit) {
            let candles = Candles {
                symbol,
                interval,
                candles: known,
            };
            answer.answer(&GatewayReply::Candles(candles));
            return;
        }
        let (venue, owner) = (self.hands.venue.clone(), self.hands.owner.clone());
        tokio::task::spawn_local(async move {
            match venue.candles(topic, limit).await {
                Ok(candles) => {
                    // What the bot takes for the past is the past of its pushes, too.
                    owner.tell(Event::Candles(topic, candles.clone(), false));
                    let candles = Candles {
                        symbol,
                        interval,
                        candles,
                    };
                    answer.answer(&GatewayReply::Candles(candles));
                }
                Err(fault) => answer.fail(not_ready(&fault)),
            }
        });
    }

    fn instrument(&self, symbol: Symbol, answer: Answer) {
        let venue = self.hands.venue.clone();
        tokio::task::spawn_local(async move {
            match venue.instrument(symbol).await {
                Ok(Some(instrument)) => answer.answer(&GatewayReply::Instrument(instrument)),
                Ok(None) => answer.fail(no_instrument(symbol)),
                Err(fault) => answer.fail(not_ready(&fault)),
            }
        });
    }

    fn place(&mut self, intent: Intent, answer: Answer) {
        if let Some(flaw) = intent.flaw() {
            answer.fail(ErrorBody::new(ErrorCode::BadBody, flaw));
            return;
        }
        if let Some(placed) = self.exits.recall(intent.intent_id) {
            answer.answer(&GatewayReply::Placed(placed));
            return;
        }
        if self.strange(intent.symbol) {
            answer.fail(no_instrument(intent.symbol));
            return;
        }
        let market = self.market(intent.symbol);
        if self.traded.len() < TRADED_MOST && self.traded.insert(intent.symbol) {
            self.refollow();
        }
        let hands = self.hands.clone();
        // Boxed first: the task is large, and would be moved whole several times.
        tokio::task::spawn_local(Box::pin(async move {
            match placing::place(&hands, intent, market).await {
                Ok(placed) => answer.answer(&GatewayReply::Placed(placed)),
                Err(fault) => answer.fail(not_ready(&fault)),
            }
        }));
    }

    fn amend(&mut self, change: Amend, answer: Answer) {
        let nothing = change.qty.is_none()
            && change.price.is_none()
            && change.take_profit.is_none()
            && change.stop_loss.is_none();
        if nothing {
            let message = "nothing to change: give qty, price, take_profit or stop_loss";
            answer.fail(ErrorBody::new(ErrorCode::BadBody, message));
            return;
        }
        let Some((_, symbol, side)) = self.resting(change.intent_id) else {
            answer.fail(self.unknown_intent(change.intent_id));
            return;
        };
        let market = self.market(symbol);
        let hands = self.hands.clone();
        tokio::task::spawn_local(async move {
            match placing::amend(&hands, change, (symbol, side), market).await {
                Ok(placed) => answer.answer(&GatewayReply::Placed(placed)),
                Err(fault) => answer.fail(not_ready(&fault)),
            }
        });
    }

    fn cancel(&mut self, cancel: Cancel, answer: Answer) {
        if self.hands.guard.leave().frozen() {
            let message = "the operator has frozen all sending, cancels too";
            answer.fail(ErrorBody::new(ErrorCode::Forbidden, message));
            return;
        }
        let Some((link_id, symbol, _)) = self.resting(cancel.intent_id) else {
            answer.fail(self.unknown_intent(cancel.intent_id));
            return;
        };
        let hands = self.hands.clone();
        tokio::task::spawn_local(async move {
            match placing::cancel(&hands, cancel.intent_id, symbol, link_id).await {
                Ok(()) => answer.answer(&GatewayReply::Done(Empty {})),
                Err(error) => answer.fail(error),
            }
        });
    }

    /// The order that an intent became, as far as this gateway knows.
    fn resting(&self, intent_id: IntentId) -> Option<(OrderLinkId, Symbol, Side)> {
        let ours = self.books.orders.of_intent(intent_id)?;
        Some((ours.link_id, ours.symbol, ours.side))
    }

    /// After a start the guard names our resting orders, and they are looked up first.
    fn unknown_intent(&self, intent_id: IntentId) -> ErrorBody {
        if self.health.synced {
            let message = format!("no order of intent {intent_id} is known");
            ErrorBody::new(ErrorCode::BadBody, message)
        } else {
            let message = format!("our orders are being read; {intent_id} is not known yet");
            ErrorBody::new(ErrorCode::NotReady, message)
        }
    }

    /// Whether the venue is known not to have it.
    fn strange(&self, symbol: Symbol) -> bool {
        self.hands.venue.has(symbol) == Some(false)
    }

    fn market(&self, symbol: Symbol) -> Market {
        Market {
            instrument: self.books.instruments.get(&symbol).cloned(),
            mark: self.books.mark(symbol),
        }
    }
}

fn answer_read<T>(
    answer: Answer,
    read: Option<&Read<T>>,
    what: &str,
    reply: impl FnOnce(u64, &T) -> GatewayReply,
) {
    if let Some(read) = read {
        answer.answer(&reply(boot_now().since(read.begun), &read.value));
    } else {
        let message = format!("{what}: not read from the venue yet");
        answer.fail(ErrorBody::new(ErrorCode::NotReady, message));
    }
}

fn no_instrument(symbol: Symbol) -> ErrorBody {
    let message = format!("the venue has no instrument {symbol}");
    ErrorBody::new(ErrorCode::BadBody, message)
}

fn not_ready(fault: &Fault) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::NotReady,
        format!("the venue could not be asked: {fault}"),
    )
}
