//! Getting alerts to the alert-forwarder from a tokio process: each is kept until it is
//! acknowledged, and nobody waits for that.

use std::path::PathBuf;
use std::time::Duration;

use protocol::alerts::{AlertsReply, AlertsRequest};
use protocol::{Alert, Context, Process, Severity, Tag};
use tokio::sync::mpsc;

use crate::client::Link;
use crate::{clock, logging};

/// Alerts that may wait; one more is dropped, logged as such.
const WAITING_MOST: usize = 1024;
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE_LEAST: Duration = Duration::from_millis(100);
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// Raises safety events of one process: every one is logged, the severe ones are delivered.
#[derive(Debug, Clone)]
pub struct Alerting {
    process: Process,
    queue: mpsc::Sender<Alert>,
}

impl Alerting {
    /// Begins to deliver to this socket. Needs a tokio runtime.
    pub fn to(process: Process, alerts_socket: PathBuf) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MOST);
        tokio::spawn(deliver(alerts_socket, waiting));
        Self { process, queue }
    }

    /// Logs an event at its tag's own severity, and alerts it if it is severe enough.
    pub fn raise(&self, tag: Tag, message: &str, context: Context) {
        self.raise_as(tag, tag.severity(), message, context);
    }

    /// Logs an event at this severity, and alerts it if it is severe enough.
    pub fn raise_as(&self, tag: Tag, severity: Severity, message: &str, context: Context) {
        logging::event(tag, severity, message, &context);
        if !severity.alerts() {
            return;
        }
        let alert = Alert {
            id: self.next_id(),
            tag,
            severity,
            message: message.to_owned(),
            context,
            process: self.process,
            at: clock::wall_now(),
        };
        if self.queue.try_send(alert).is_err() {
            tracing::error!("alert not queued, {WAITING_MOST} wait already: {tag}: {message}");
        }
    }

    fn next_id(&self) -> String {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let boot = clock::boot_now().0;
        format!("{}-{}-{boot}-{count}", self.process, std::process::id())
    }
}

async fn deliver(socket: PathBuf, mut waiting: mpsc::Receiver<Alert>) {
    let mut link: Option<Link> = None;
    while let Some(alert) = waiting.recv().await {
        let request = AlertsRequest::Deliver(alert);
        let mut pause = PAUSE_LEAST;
        loop {
            if link.as_ref().is_none_or(Link::is_closed) {
                link = Link::connect(&socket).await.ok().map(|(link, _)| link);
            }
            if let Some(open) = &link
                && let Ok(AlertsReply::Done(_)) = open.request(&request, PATIENCE).await
            {
                break;
            }
            // Not acknowledged: it may or may not be on disk. The forwarder tells repeats apart.
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSE_MOST);
        }
    }
}
