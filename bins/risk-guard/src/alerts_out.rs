//! Hands the engine's outbox to the alert-forwarder, from within the guard's one loop.
//!
//! What this room is for: a connection to `alerts.sock` that never blocks, comes back by itself
//! after a pause, and sends each alert of the outbox until it is acknowledged. What it does not
//! do: keep alerts. The engine's outbox does, in the journal; here is only what is under way.
//!
//! ```text
//!   away ──pause over, something to send──▶ connected ──lost / refused──▶ away, longer pause
//! ```

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use protocol::BootMs;
use protocol::alerts::{AlertsReply, AlertsRequest};
use protocol::frame::{Empty, Envelope, Head};
use risk::Event;

use crate::watch::{Watch, Who};
use crate::wire::{Read, Wire};

/// Alerts under way at a time.
const WINDOW: usize = 16;

/// Until when the forwarder may take one.
const PATIENCE_MS: u64 = 10_000;

const FIRST_PAUSE_MS: u64 = 250;
const LONGEST_PAUSE_MS: u64 = 10_000;

/// The way to the alert-forwarder.
#[derive(Debug)]
pub(crate) struct AlertsOut {
    path: PathBuf,
    wire: Option<Wire>,
    under_way: BTreeMap<u64, Sent>,
    next_id: u64,
    pause_ms: u64,
    not_before: BootMs,
}

#[derive(Debug)]
struct Sent {
    alert: String,
    deadline: BootMs,
}

impl AlertsOut {
    /// Sends to this socket.
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            wire: None,
            under_way: BTreeMap::new(),
            next_id: 1,
            pause_ms: FIRST_PAUSE_MS,
            not_before: BootMs(0),
        }
    }

    /// When to look again although nothing has come.
    pub(crate) fn deadline(&self, waiting: usize) -> Option<BootMs> {
        if self.wire.is_none() {
            return (waiting > 0).then_some(self.not_before);
        }
        self.under_way.values().map(|sent| sent.deadline).min()
    }

    /// Sends what is in the outbox and not under way, as far as the window allows.
    pub(crate) fn send<'a>(
        &mut self,
        outbox: impl Iterator<Item = &'a Event>,
        watch: &Watch,
        now: BootMs,
    ) {
        if self.under_way.values().any(|sent| now > sent.deadline) {
            self.lose(now, "no answer in time");
        }
        let mut outbox = outbox.peekable();
        if outbox.peek().is_none() || !self.connected(now) {
            return;
        }
        for event in outbox {
            if self.under_way.len() >= WINDOW {
                break;
            }
            if self.under_way.values().any(|sent| sent.alert == event.id) {
                continue;
            }
            let (id, deadline) = (self.next_id, now.after(PATIENCE_MS));
            self.next_id = self.next_id.saturating_add(1);
            let sent = Sent {
                alert: event.id.clone(),
                deadline,
            };
            let request = AlertsRequest::Deliver(event.clone().into_alert());
            let Some(wire) = self.wire.as_mut() else {
                return;
            };
            if let Err(error) = wire.queue(Head::request(id, deadline), &request) {
                // It never will fit; the log has it, and it must not hold up the others.
                tracing::error!(alert = %sent.alert, %error, "an alert could not be sent");
                continue;
            }
            self.under_way.insert(id, sent);
        }
        self.flush(watch, now);
    }

    /// Takes the answers; gives back the ids of the alerts that are safe now.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        watch: &Watch,
        now: BootMs,
    ) -> Vec<String> {
        let mut taken = Vec::new();
        let Some(wire) = self.wire.as_mut() else {
            return taken;
        };
        let read = wire.read(scratch);
        let mut lines = wire.take_lines();
        let mut refused = None;
        while let Some(line) = lines.next() {
            match line.and_then(answer) {
                Ok((id, None)) => {
                    if let Some(sent) = self.under_way.remove(&id) {
                        taken.push(sent.alert);
                    }
                }
                Ok((_, Some(error))) | Err(error) => refused = Some(error.message),
            }
        }
        wire.give_back(lines);
        if !taken.is_empty() {
            self.pause_ms = FIRST_PAUSE_MS;
        }
        match (read, refused) {
            (_, Some(why)) => self.lose(now, &why),
            (Ok(Read::Ended), None) => self.lose(now, "it closed the connection"),
            (Err(error), None) => self.lose(now, &error.to_string()),
            (Ok(Read::Open), None) => self.flush(watch, now),
        }
        taken
    }

    fn flush(&mut self, watch: &Watch, now: BootMs) {
        let Some(wire) = self.wire.as_mut() else {
            return;
        };
        let flushed = wire.flush();
        if let Err(error) = flushed.and_then(|()| wire.wake(watch, Who::Alerts, true)) {
            self.lose(now, &error.to_string());
        }
    }

    fn connected(&mut self, now: BootMs) -> bool {
        if self.wire.is_some() {
            return true;
        }
        if now < self.not_before {
            return false;
        }
        match connect_at_once(&self.path).and_then(Wire::new) {
            Ok(wire) => {
                self.wire = Some(wire);
                true
            }
            Err(error) => {
                self.lose(now, &error.to_string());
                false
            }
        }
    }

    fn lose(&mut self, now: BootMs, why: &str) {
        tracing::debug!(
            why,
            pause_ms = self.pause_ms,
            "no way to the alert-forwarder; trying again"
        );
        self.wire = None;
        self.under_way.clear();
        self.not_before = now.after(self.pause_ms);
        self.pause_ms = self.pause_ms.saturating_mul(2).min(LONGEST_PAUSE_MS);
    }
}

/// Which request a line answers, and the error if it is one.
fn answer(
    line: &[u8],
) -> Result<(u64, Option<protocol::frame::ErrorBody>), protocol::frame::ErrorBody> {
    let envelope = Envelope::read(line)?;
    let id = envelope.id.unwrap_or(0);
    match envelope.message::<AlertsReply>()? {
        AlertsReply::Done(Empty {}) | AlertsReply::Status(_) => Ok((id, None)),
        AlertsReply::Error(error) => Ok((id, Some(error))),
    }
}

/// Connects or fails, but never waits for a place in the other side's queue.
fn connect_at_once(path: &std::path::Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let address = UnixAddr::new(path)?;
    connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &address)?;
    Ok(UnixStream::from(fd))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    use protocol::frame;
    use protocol::{Context, Severity, Tag, VenueMs};
    use tempfile::TempDir;

    use super::*;

    fn alert(id: &str) -> Event {
        Event {
            id: id.into(),
            tag: Tag::Halt,
            severity: Severity::Critical,
            message: "m".into(),
            context: Context::new(),
            at: VenueMs(1),
            alert: true,
        }
    }

    fn outbox(ids: &[&str]) -> Vec<Event> {
        ids.iter().map(|id| alert(id)).collect()
    }

    /// Reads one request and answers it.
    fn serve(stream: &UnixStream, reply: &AlertsReply) -> String {
        let mut line = Vec::new();
        BufReader::with_capacity(1, stream)
            .read_until(b'\n', &mut line)
            .unwrap();
        let envelope = Envelope::read(&line).unwrap();
        let mut bytes = Vec::new();
        frame::write(Head::answer(envelope.id.unwrap()), reply, &mut bytes).unwrap();
        (&*stream).write_all(&bytes).unwrap();
        match envelope.message().unwrap() {
            AlertsRequest::Deliver(alert) => alert.id,
            AlertsRequest::Status(_) => panic!("not asked"),
        }
    }

    #[test]
    fn each_is_sent_once_until_acknowledged() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("alerts.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut out = AlertsOut::new(path);
        let mut scratch = [0; 4096];
        let watch = Watch::new().unwrap();
        out.send(outbox(&["a", "b"]).iter(), &watch, BootMs(0));
        out.send(outbox(&["a", "b"]).iter(), &watch, BootMs(1));
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(serve(&stream, &AlertsReply::Done(Empty {})), "a");
        assert_eq!(serve(&stream, &AlertsReply::Done(Empty {})), "b");
        assert_eq!(out.receive(&mut scratch, &watch, BootMs(2)), ["a", "b"]);
        assert_eq!(out.deadline(0), None);
    }

    #[test]
    fn a_lost_connection_is_tried_again_after_a_pause_with_everything() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("alerts.sock");
        let mut out = AlertsOut::new(path.clone());
        let mut scratch = [0; 4096];
        let watch = Watch::new().unwrap();
        out.send(outbox(&["a"]).iter(), &watch, BootMs(0));
        assert_eq!(out.deadline(1), Some(BootMs(FIRST_PAUSE_MS)));
        let listener = UnixListener::bind(&path).unwrap();
        out.send(outbox(&["a"]).iter(), &watch, BootMs(1));
        assert!(out.wire.is_none(), "the pause is kept");
        out.send(outbox(&["a"]).iter(), &watch, BootMs(FIRST_PAUSE_MS));
        drop(listener.accept().unwrap());
        assert!(out.receive(&mut scratch, &watch, BootMs(300)).is_empty());
        out.send(outbox(&["a"]).iter(), &watch, BootMs(1000));
        let (stream, _) = listener.accept().unwrap();
        assert_eq!(serve(&stream, &AlertsReply::Done(Empty {})), "a");
    }

    #[test]
    fn a_forwarder_that_refuses_or_is_silent_is_asked_again() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("alerts.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut out = AlertsOut::new(path);
        let mut scratch = [0; 4096];
        let watch = Watch::new().unwrap();
        out.send(outbox(&["a"]).iter(), &watch, BootMs(0));
        let (stream, _) = listener.accept().unwrap();
        let no = frame::ErrorBody::new(frame::ErrorCode::Internal, "disk full");
        serve(&stream, &AlertsReply::Error(no));
        assert!(out.receive(&mut scratch, &watch, BootMs(1)).is_empty());
        assert!(out.wire.is_none());
        out.send(outbox(&["a"]).iter(), &watch, BootMs(1000));
        let silent_until = out.deadline(1).unwrap();
        out.send(outbox(&["a"]).iter(), &watch, silent_until.after(1));
        assert!(out.wire.is_none(), "given up");
    }
}
