//! The forwarder itself: what is asked goes to the spool, what is in the spool goes to the sinks.
//!
//! What this room is for: the order of things. An alert is acknowledged after it is on disk, a
//! cursor moves after its sink said yes, files go after every cursor has passed them. With a disk
//! that takes nothing the alert still goes to the log at once, and its producer is told to keep it.
//! What it does not do: sockets, clocks, tasks (`run` does).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use protocol::alerts::AlertsStatus;
use protocol::frame::{ErrorBody, ErrorCode};
use protocol::{Alert, BootMs, VenueMs};

use crate::delivery::{Delivery, Failure};
use crate::sinks::log::LogSink;
use crate::spool::{Findings, Remembered, Spool, SpoolError, read_cursor, write_cursor};

/// Deliveries after which a cursor is written even if more wait.
const CURSOR_EVERY: u64 = 64;

/// The forwarder's state.
#[derive(Debug)]
pub(crate) struct Forwarder {
    dir: PathBuf,
    spool: Spool,
    deliveries: Vec<Delivery>,
    told_directly: Remembered,
    spool_fault: bool,
    cursor_fault: bool,
}

/// An alert to hand to a sink.
#[derive(Debug)]
pub(crate) struct Handover {
    /// Which sink, by its place.
    pub(crate) sink: usize,
    /// What.
    pub(crate) alert: Arc<Alert>,
}

impl Forwarder {
    /// Opens the spool in `dir` for these sinks.
    pub(crate) fn open(dir: &Path, sinks: &[&'static str]) -> Result<(Self, Findings), SpoolError> {
        let lock = Spool::prepare(dir)?;
        let mut findings = Findings::new();
        let mut deliveries = Vec::with_capacity(sinks.len());
        for name in sinks {
            deliveries.push(Delivery::new(name, read_cursor(dir, name, &mut findings)?));
        }
        let cursors: Vec<u64> = deliveries.iter().map(Delivery::cursor).collect();
        let (spool, read) = Spool::open(dir, lock, &cursors)?;
        findings.extend(read);
        let forwarder = Self {
            dir: dir.to_owned(),
            spool,
            deliveries,
            told_directly: Remembered::default(),
            spool_fault: false,
            cursor_fault: false,
        };
        Ok((forwarder, findings))
    }

    /// Takes a batch; one answer for all of it: on disk, or to be kept by its producers.
    pub(crate) fn take(&mut self, batch: &[Alert]) -> Result<(), ErrorBody> {
        let Err(error) = self.spool.append(batch) else {
            if std::mem::take(&mut self.spool_fault) {
                tracing::info!("alerts are kept on disk again");
            }
            return Ok(());
        };
        let why = chain(&error);
        if !std::mem::replace(&mut self.spool_fault, true) {
            tracing::error!(
                why,
                "alerts cannot be kept on disk; they go to the log directly"
            );
        }
        for alert in batch {
            let known = self.told_directly.contains(&alert.id) || self.spool.knows(&alert.id);
            if !known && LogSink::tell(alert).is_ok() {
                self.told_directly.insert(&alert.id);
            }
        }
        let message = format!("logged but not kept, send it again later: {why}");
        Err(ErrorBody::new(ErrorCode::Internal, message))
    }

    /// What may be handed to the sinks now.
    pub(crate) fn handovers(&mut self, now: BootMs, at: VenueMs) -> Vec<Handover> {
        let mut ready = Vec::new();
        for (sink, delivery) in self.deliveries.iter_mut().enumerate() {
            while delivery.may_try(now)
                && let Some(entry) = self.spool.after(delivery.cursor())
            {
                delivery.began(entry.seq);
                let in_log = delivery.name() == LogSink::NAME
                    && self.told_directly.contains(&entry.alert.id);
                if in_log {
                    delivery.took(at);
                } else {
                    ready.push(Handover {
                        sink,
                        alert: Arc::clone(&entry.alert),
                    });
                }
            }
        }
        ready
    }

    /// What a sink said to what it was handed.
    pub(crate) fn said(
        &mut self,
        sink: usize,
        taken: Result<(), String>,
        now: BootMs,
        at: VenueMs,
    ) {
        let Some(delivery) = self.deliveries.get_mut(sink) else {
            return;
        };
        let name = delivery.name();
        match taken {
            Ok(()) => {
                if delivery.took(at) {
                    tracing::info!(sink = name, "the sink takes alerts again");
                }
            }
            Err(why) => match delivery.failed(now, why.clone()) {
                Failure::Began => tracing::warn!(sink = name, why, "the sink takes no alerts"),
                Failure::GoesOn => {
                    tracing::debug!(sink = name, why, "the sink takes no alerts yet");
                }
            },
        }
    }

    /// Puts cursors on disk and lets go of what every sink has passed.
    pub(crate) fn tidy(&mut self, all: bool) {
        let mut failed = None;
        for delivery in &mut self.deliveries {
            let Some(cursor) = delivery.to_store() else {
                continue;
            };
            let behind = cursor.saturating_sub(delivery.stored());
            let idle = self.spool.count_after(cursor) == 0;
            if all || idle || behind >= CURSOR_EVERY {
                match write_cursor(&self.dir, delivery.name(), cursor) {
                    Ok(()) => delivery.was_stored(cursor),
                    Err(error) => failed = Some(error),
                }
            }
        }
        // Pruned is only what stays passed after a crash.
        let passed = self
            .deliveries
            .iter()
            .map(Delivery::stored)
            .min()
            .unwrap_or(0);
        if let Err(error) = self.spool.prune(passed) {
            failed = Some(error);
        }
        let news = failed.is_some() != self.cursor_fault;
        self.cursor_fault = failed.is_some();
        match failed {
            Some(error) if news => {
                let why = chain(&error);
                tracing::warn!(
                    why,
                    "progress cannot be kept; a restart would deliver some again"
                );
            }
            None if news => tracing::info!("progress is kept on disk again"),
            Some(_) | None => {}
        }
    }

    /// When a sink may be tried again, if one waits for that.
    pub(crate) fn deadline(&self) -> Option<BootMs> {
        let waiting = |d: &&Delivery| self.spool.count_after(d.cursor()) > 0;
        self.deliveries
            .iter()
            .filter(waiting)
            .filter_map(Delivery::deadline)
            .min()
    }

    /// Whether every sink has taken everything.
    pub(crate) fn is_done(&self) -> bool {
        self.deliveries
            .iter()
            .all(|d| self.spool.count_after(d.cursor()) == 0)
    }

    /// How things stand.
    pub(crate) fn status(&self) -> AlertsStatus {
        let waiting = |d: &Delivery| self.spool.count_after(d.cursor());
        AlertsStatus {
            spooled: self.deliveries.iter().map(waiting).max().unwrap_or(0),
            sinks: self
                .deliveries
                .iter()
                .map(|d| d.status(waiting(d)))
                .collect(),
        }
    }

    /// What it waits for, for people; empty if nothing.
    pub(crate) fn waiting_for(&self) -> &'static str {
        if self.spool_fault {
            "room on the disk for the spool"
        } else if self.deadline().is_some() {
            "a sink that takes no alerts"
        } else {
            ""
        }
    }
}

/// An error with everything behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use protocol::{Context, Process, Severity, Tag};
    use tempfile::TempDir;

    use super::*;

    const SINKS: [&str; 2] = ["log", "web"];

    fn alert(id: &str) -> Alert {
        Alert {
            id: id.to_owned(),
            tag: Tag::Halt,
            severity: Severity::Critical,
            message: "halted".into(),
            context: Context::new(),
            process: Process::RiskGuard,
            at: VenueMs(1),
        }
    }

    fn open(dir: &TempDir) -> Forwarder {
        Forwarder::open(dir.path(), &SINKS).unwrap().0
    }

    /// Lets every sink answer once, in the way `answer` says.
    fn round(
        forwarder: &mut Forwarder,
        now: u64,
        answer: fn(usize) -> Result<(), String>,
    ) -> Vec<(usize, String)> {
        let handed = forwarder.handovers(BootMs(now), VenueMs(0));
        for handover in &handed {
            forwarder.said(
                handover.sink,
                answer(handover.sink),
                BootMs(now),
                VenueMs(0),
            );
        }
        handed
            .into_iter()
            .map(|h| (h.sink, h.alert.id.clone()))
            .collect()
    }

    #[test]
    fn a_failing_sink_holds_up_nobody_and_gets_everything_later() {
        let dir = TempDir::new().unwrap();
        let mut forwarder = open(&dir);
        forwarder.take(&[alert("a"), alert("b")]).unwrap();
        let only_log = |sink| {
            if sink == 0 {
                Ok(())
            } else {
                Err("no route".to_owned())
            }
        };
        assert_eq!(
            round(&mut forwarder, 0, only_log),
            [(0, "a".into()), (1, "a".into())]
        );
        assert_eq!(round(&mut forwarder, 1, only_log), [(0, "b".into())]);
        assert_eq!(round(&mut forwarder, 2, only_log), []);
        let status = forwarder.status();
        assert_eq!(
            (
                status.spooled,
                status.sinks[0].waiting,
                status.sinks[1].waiting
            ),
            (2, 0, 2)
        );
        assert_eq!(status.sinks[1].failing.as_deref(), Some("no route"));
        assert!(!forwarder.is_done());
        let again = forwarder.deadline().unwrap().0;
        assert_eq!(round(&mut forwarder, again, |_| Ok(())), [(1, "a".into())]);
        assert_eq!(round(&mut forwarder, again, |_| Ok(())), [(1, "b".into())]);
        assert!(forwarder.is_done());
    }

    #[test]
    fn a_restart_goes_on_where_each_sink_was() {
        let dir = TempDir::new().unwrap();
        let mut forwarder = open(&dir);
        forwarder.take(&[alert("a"), alert("b")]).unwrap();
        let only_log = |sink| {
            if sink == 0 {
                Ok(())
            } else {
                Err("no".to_owned())
            }
        };
        round(&mut forwarder, 0, only_log);
        forwarder.tidy(true);
        drop(forwarder);
        let mut forwarder = open(&dir);
        assert_eq!(
            round(&mut forwarder, 0, |_| Ok(())),
            [(0, "b".into()), (1, "a".into())]
        );
    }

    #[test]
    fn without_a_cursor_on_disk_an_alert_comes_once_more() {
        let dir = TempDir::new().unwrap();
        let mut forwarder = open(&dir);
        forwarder.take(&[alert("a")]).unwrap();
        round(&mut forwarder, 0, |_| Ok(()));
        drop(forwarder);
        let mut forwarder = open(&dir);
        assert_eq!(round(&mut forwarder, 0, |_| Ok(())).len(), 2);
        forwarder.tidy(false);
        drop(forwarder);
        assert!(round(&mut open(&dir), 0, |_| Ok(())).is_empty());
    }
}
