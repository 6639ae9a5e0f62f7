//! What tasks tell the gateway's one owner. Everything that changes its picture comes this way or
//! from a socket.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use exchange::stream::{Feed, StreamEvent};
use protocol::gateway::CandleTopic;
use protocol::guard::Observation;
use protocol::venue::{Candle, Order};
use protocol::{BootMs, CommandId, IntentId, OrderId, OrderLinkId, Outcome};
use tokio::sync::{Notify, oneshot};

use crate::flatten::NotDone;
use crate::orders::Ours;
use crate::plan::Task;
use crate::resolve::Missing;
use crate::venue::{Begun, Fault};

/// One thing that has happened.
#[derive(Debug)]
pub enum Event {
    /// Something was seen at the venue by a read.
    Seen(Begun, Observation),
    /// A series was read, oldest first; `longest` if no longer read is possible.
    Candles(CandleTopic, Vec<Candle>, bool),
    /// A planned read has ended.
    ReadEnded(Task, Begun, Result<(), Fault>),
    /// An order is about to leave.
    Sending(Ours),
    /// The venue has it under this id.
    Accepted(OrderLinkId, OrderId),
    /// Nothing of it is at the venue.
    Gone(OrderLinkId),
    /// Nobody knows whether it arrived; its request was signed at this moment at the latest.
    Ambiguous(Missing, BootMs),
    /// A look-up has ended: the order, or nothing.
    Looked(Missing, Begun, Result<Option<Order>, Fault>),
    /// An exit that went without the guard has this outcome.
    ExitAlone(IntentId, OrderLinkId, Outcome),
    /// Something of ours has changed at the venue; it is read again soon.
    Touched,
    /// An order that had ended was looked up in the history.
    Followed(OrderLinkId, Begun, Option<Order>),
    /// The start-up order has been walked through, or why not.
    Walked(Result<(), Fault>),
    /// A command of the guard has ended: what was done, or why it was not.
    CommandEnded(CommandId, Result<String, NotDone>),
    /// The openers that were to go without a command are gone, or why not.
    OpenersGone(Result<(), String>),
    /// A stream has something to say.
    Stream(Feed, StreamEvent),
    /// Everything told before this has been taken in: say so.
    Reached(oneshot::Sender<()>),
    /// A call that the venue refused for its key, signature or permission.
    Refused(Fault),
}

/// The way to the owner; copies share it.
#[derive(Debug, Clone)]
pub struct Teller(Rc<Told>);

/// The owner's end of it.
#[derive(Debug)]
pub struct Events(Rc<Told>);

#[derive(Debug, Default)]
struct Told {
    waiting: RefCell<VecDeque<Event>>,
    stir: Notify,
}

impl Teller {
    /// A way, and its end.
    pub fn new() -> (Self, Events) {
        let told = Rc::<Told>::default();
        (Self(Rc::clone(&told)), Events(told))
    }

    /// Tells. The owner lives as long as the process.
    pub fn tell(&self, event: Event) {
        self.mention(event);
        self.0.stir.notify_one();
    }

    /// Tells what the owner must know before whatever it hears next, and need not act upon.
    pub fn mention(&self, event: Event) {
        self.0.waiting.borrow_mut().push_back(event);
    }

    /// Waits until the owner has taken in everything that was told before.
    pub async fn reached(&self) {
        let (say, said) = oneshot::channel();
        self.tell(Event::Reached(say));
        // An owner that is gone ends the process.
        drop(said.await);
    }
}

impl Events {
    /// The oldest event that has not been taken, if there is one.
    pub fn take(&self) -> Option<Event> {
        self.0.waiting.borrow_mut().pop_front()
    }

    /// Waits for the next one. May be dropped on the way.
    pub async fn next(&self) -> Event {
        loop {
            if let Some(event) = self.take() {
                return event;
            }
            self.0.stir.notified().await;
        }
    }
}
