//! One signed call: its turn, its signature, its answer sorted.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use protocol::{BootMs, VenueMs};

use crate::answer::{Answer, read_envelope};
use crate::call::{Call, Settings, What};
use crate::clock::VenueClock;
use crate::credentials::Credentials;
use crate::error::{ExchangeError, code};
use crate::http::{Http, Signed};
use crate::lane::Limits;
use crate::limiter::{BAN_MS, Cause, Class, Limiter, Scope, Turn};
use crate::number::plain;
use crate::signing::rest_signature;
use crate::stream::Feed;
use crate::whose::Whose;
use crate::wire::market::TimeResult;

/// How long after its first send an order may be sent once more, when the venue refused its time
/// stamp: it was allowed for that moment, not for a later one.
const RESEND_WITHIN_MS: u64 = 500;

/// HTTP's word for a banned address (venue documentation, rate limits).
const FORBIDDEN: u16 = 403;

/// How long a read steps aside while an order waits for its turn.
const STEP_ASIDE: Duration = Duration::from_millis(10);

/// How long after the venue's reset time a request goes: our clock of the venue may run ahead by
/// a part of a round trip, and a request that arrives early is refused (10006).
const RESET_MARGIN_MS: u64 = 20;

/// One order that waits for its turn, for as long as this lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A sleep that the limiter asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// The call that waits.
    pub call: &'static str,
    /// How long.
    pub sleep_ms: u64,
    /// Why.
    pub cause: Cause,
}

/// What the calls need from outside: no clock hides in here.
pub trait Surroundings: Send + Sync {
    /// Time since boot.
    fn boot_now(&self) -> BootMs;
    /// A request is about to sleep for the limiter.
    fn throttled(&self, throttle: Throttle);
    /// The venue has banned the address until then (boot clock).
    fn banned(&self, until: BootMs);
}

/// What all calls share: connection, keys, limiter, clock.
pub(crate) struct Shared {
    http: Http,
    settings: Settings,
    credentials: Credentials,
    limiter: Mutex<Limiter>,
    clock: Mutex<VenueClock>,
    whose: Mutex<Whose>,
    orders_waiting: AtomicUsize,
    recv_window_ms: AtomicU32,
    around: Box<dyn Surroundings>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        credentials: Credentials,
        around: Box<dyn Surroundings>,
    ) -> Result<Arc<Self>, ExchangeError> {
        let http = Http::new(&settings)?;
        let limiter = Limiter::new(settings.per_second, settings.per_minute);
        Ok(Arc::new(Self {
            http,
            recv_window_ms: AtomicU32::new(settings.recv_window_ms),
            settings,
            credentials,
            limiter: Mutex::new(limiter),
            clock: Mutex::new(VenueClock::new()),
            whose: Mutex::new(Whose::default()),
            orders_waiting: AtomicUsize::new(0),
            around,
        }))
    }

    pub(crate) const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The whole address of one of the streams.
    pub(crate) fn stream_url(&self, feed: Feed) -> String {
        let venue = &self.settings.venue;
        let path = match feed {
            Feed::Account => venue.account_stream,
            Feed::Market => venue.market_stream,
        };
        format!("{}{path}", self.settings.stream_url)
    }

    pub(crate) fn set_recv_window(&self, ms: u32) {
        self.recv_window_ms.store(ms, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> BootMs {
        self.around.boot_now()
    }

    pub(crate) fn limiter<T>(&self, act: impl FnOnce(&mut Limiter) -> T) -> T {
        act(&mut self.limiter.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn clock(&self) -> VenueClock {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the venue's time and sets the clock by it.
    pub(crate) async fn sync_clock(&self) -> Result<VenueMs, ExchangeError> {
        let call = Call {
            name: "market/time",
            path: "/market/time",
            what: What::Clock,
            class: Class::Urgent,
        };
        self.my_turn(&call).await?;
        let asked = self.now();
        let answer = self.send_once(&call).await?;
        let heard = self.now();
        let said = answer
            .result::<TimeResult>()?
            .venue_now()
            .map_err(ExchangeError::field(call.name))?;
        self.clock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sync(asked, heard, said);
        Ok(said)
    }

    /// What is known of whose order is whose.
    pub(crate) fn whose<T>(&self, ask: impl FnOnce(&mut Whose) -> T) -> T {
        ask(&mut self.whose.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sends a call in its turn. A wrong time stamp (10002) is never executed by the venue, so the
    /// clock is synced and the call sent once more.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, ExchangeError> {
        self.my_turn(call).await?;
        match self.send_once(call).await {
            Err(refused) if refused.is_code(code::TIMESTAMP) => {
                self.sync_clock().await?;
                self.my_turn(call).await?;
                self.send_once(call).await
            }
            sent => sent,
        }
    }

    /// Sends an order in a turn that was held for it. After a wrong time stamp it is sent once more
    /// only if that is possible at once: what allowed it must not grow old in a queue.
    pub(crate) async fn send_now(&self, call: &Call<'_>) -> Result<Answer, ExchangeError> {
        let began = self.now();
        self.limiter(|limiter| limiter.spend(began, call.class));
        let refused = match self.send_once(call).await {
            Err(refused) if refused.is_code(code::TIMESTAMP) => refused,
            sent => return sent,
        };
        // Synced in any case: the next order is to fare better.
        if Box::pin(self.sync_clock()).await.is_err() {
            return Err(refused);
        }
        let now = self.now();
        let soon = now.since(began) <= RESEND_WITHIN_MS;
        if soon && self.limiter(|limiter| limiter.turn(now, call.class, call.name)) == Turn::Go {
            return Box::pin(self.send_once(call)).await;
        }
        Err(refused)
    }

    /// Waits for the limiter; says so before it sleeps.
    async fn my_turn(&self, call: &Call<'_>) -> Result<(), ExchangeError> {
        while call.class == Class::Routine && self.orders_waiting.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(STEP_ASIDE).await;
        }
        self.turn(call.name, call.class, Limiter::turn).await
    }

    /// Holds a turn for an order; while it waits, no read that the config's caps bind goes first.
    pub(crate) async fn order_turn(
        &self,
        call: &'static str,
        class: Class,
    ) -> Result<(), ExchangeError> {
        let _waiting = Waiting::of(&self.orders_waiting);
        self.turn(call, class, Limiter::hold).await
    }

    /// Waits until the limiter lets one through.
    async fn turn(
        &self,
        call: &'static str,
        class: Class,
        ask: fn(&mut Limiter, BootMs, Class, &'static str) -> Turn,
    ) -> Result<(), ExchangeError> {
        loop {
            let now = self.now();
            match self.limiter(|limiter| ask(limiter, now, class, call)) {
                Turn::Go => return Ok(()),
                Turn::Wait(sleep_ms, cause) => {
                    self.around.throttled(Throttle {
                        call,
                        sleep_ms,
                        cause,
                    });
                    self.limiter(|limiter| limiter.slept(now, sleep_ms));
                    tokio::time::sleep(Duration::from_millis(sleep_ms)).await;
                }
                Turn::Banned(until) => {
                    let left_ms = until.since(now);
                    return Err(ExchangeError::Banned {
                        call,
                        until,
                        left_ms,
                    });
                }
            }
        }
    }

    async fn send_once(&self, call: &Call<'_>) -> Result<Answer, ExchangeError> {
        let signed = self.signed(call)?;
        let heard = self.http.send(call, signed.as_ref(), self.now()).await?;
        self.hear_limits(call.name, heard.limits);
        if heard.status == FORBIDDEN {
            let until = self.now().after(BAN_MS);
            self.limiter(|limiter| limiter.venue_bans(until));
            self.around.banned(until);
            return Err(ExchangeError::Banned {
                call: call.name,
                until,
                left_ms: BAN_MS,
            });
        }
        if !(200..300).contains(&heard.status) {
            let why = format!("HTTP {}", heard.status);
            return Err(ExchangeError::Unknown {
                call: call.name,
                why,
            });
        }
        self.sort(call, heard.body?)
    }

    /// Makes of a body an answer or the right kind of error.
    fn sort(&self, call: &Call<'_>, body: Vec<u8>) -> Result<Answer, ExchangeError> {
        let name = call.name;
        let envelope = read_envelope(name, &body)?;
        let code = envelope.ret_code;
        if code == 0 || code::NOT_MODIFIED.contains(&code) {
            return Ok(Answer { body, call: name });
        }
        // The venue repeats the key in some of its sentences; they are shown and logged.
        let said = envelope.ret_msg.as_str();
        let message = plain(&said.replace(self.credentials.key(), "(key)"));
        if code == code::TOO_MANY || code == code::TOO_MANY_ADDRESS {
            // The header may say longer; a second is the venue's own window.
            let now = self.now();
            let scope = if code == code::TOO_MANY {
                Scope::Endpoint(name)
            } else {
                Scope::Address
            };
            self.limiter(|limiter| limiter.venue_says_wait(now, scope, now.after(1_000)));
        }
        if code::FATAL.contains(&code) {
            return Err(ExchangeError::Fatal {
                call: name,
                code,
                message,
            });
        }
        if code::SERVER.contains(&code) {
            let why = format!("the venue answered {code} {message}");
            return Err(ExchangeError::Unknown { call: name, why });
        }
        Err(ExchangeError::Refused {
            call: name,
            code,
            message,
        })
    }

    fn signed(&self, call: &Call<'_>) -> Result<Option<Signed<'_>>, ExchangeError> {
        let payload = match call.what {
            What::Clock | What::Public(_) => return Ok(None),
            What::Get(query) => query,
            What::Post(body) => body,
        };
        let not_sent = |why: &str| ExchangeError::NotSent {
            call: call.name,
            why: why.to_owned(),
        };
        let now = self
            .clock()
            .at(self.now())
            .ok_or_else(|| not_sent("the venue's clock has not been synced"))?;
        let (key, secret) = (self.credentials.key(), self.credentials.secret());
        if !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(not_sent(
                "the API key has characters that no header can carry",
            ));
        }
        let window_ms = self.recv_window_ms.load(Ordering::Relaxed);
        Ok(Some(Signed {
            key,
            at: now,
            window_ms,
            sign: rest_signature(secret, now.0, key, window_ms, payload),
        }))
    }

    /// Heeds how many requests are left, and until when.
    fn hear_limits(&self, call: &'static str, limits: Limits) {
        if limits.left.is_none_or(|left| left > 0) {
            return;
        }
        if let Some(until) = limits.reset.and_then(|at| self.clock().boot_at(at)) {
            let (now, scope) = (self.now(), Scope::Endpoint(call));
            let until = until.after(RESET_MARGIN_MS);
            self.limiter(|limiter| limiter.venue_says_wait(now, scope, until));
        }
    }
}
