//! Where alerts go. Each sink works in a task of its own, so that a slow one holds up nobody.
//!
//! A sink says yes only when the alert is where it belongs; everything else is a no with a reason,
//! and the same alert comes again after a pause. What this room does not do: keep alerts, count
//! them, or decide when to try again.

pub(crate) mod log;

use std::pin::Pin;
use std::sync::Arc;

use protocol::Alert;
use tokio::sync::mpsc;

/// A delivery under way; the error says why it did not work, for people.
pub(crate) type Attempt<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// One place that alerts go to.
pub(crate) trait Sink: Send {
    /// Its name: in status, and in the name of its cursor file.
    fn name(&self) -> &'static str;

    /// Delivers one alert.
    fn deliver<'a>(&'a mut self, alert: &'a Alert) -> Attempt<'a>;
}

/// What a sink said.
#[derive(Debug)]
pub(crate) struct Said {
    /// Which sink, by its place in the list.
    pub(crate) sink: usize,
    /// Whether it took the alert, or why not.
    pub(crate) taken: Result<(), String>,
}

/// The way to a sink at work.
#[derive(Debug)]
pub(crate) struct Worker {
    todo: mpsc::Sender<Arc<Alert>>,
}

impl Worker {
    /// Puts a sink to work; what it says comes out at `said`. Needs a tokio runtime.
    pub(crate) fn start(place: usize, mut sink: Box<dyn Sink>, said: mpsc::Sender<Said>) -> Self {
        let (todo, mut alerts) = mpsc::channel::<Arc<Alert>>(1);
        tokio::spawn(async move {
            while let Some(alert) = alerts.recv().await {
                let taken = sink.deliver(&alert).await;
                if said.send(Said { sink: place, taken }).await.is_err() {
                    return;
                }
            }
        });
        Self { todo }
    }

    /// Hands it an alert; `false` if it is not there any more.
    pub(crate) fn hand(&self, alert: Arc<Alert>) -> bool {
        self.todo.try_send(alert).is_ok()
    }
}
