//! Records for journald as well, with fields: `SAFETY_TAG=`, `PERPS_PROCESS=`, `PRIORITY=`.
//!
//! The protocol is journald's own (`systemd.io/JOURNAL_NATIVE_PROTOCOL`): one datagram a record, a
//! line `KEY=value` a field. The files stay the whole story: what journald does not take at once is
//! lost to the journal alone, counted, and said as soon as it takes records again.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use daemon::environment;
use daemon::logline::{Level, LogLine};
use protocol::{Context, Tag};

const SOCKET: &str = "/run/systemd/journal/socket";

/// The way to journald.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    untold: u64,
}

impl Journal {
    /// journald, if it reads our stderr; that is how systemd says that a service logs to it.
    pub(super) fn from_environment() -> Option<io::Result<Self>> {
        let stream = environment::text("JOURNAL_STREAM")?;
        let ours = nix::sys::stat::fstat(io::stderr().as_fd()).ok()?;
        if stream != format!("{}:{}", ours.st_dev, ours.st_ino) {
            return None;
        }
        Some(Self::at(Path::new(SOCKET)))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        // Nothing is said yet, but a journald that is not there shows now.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
            untold: 0,
        })
    }

    /// Hands a record on, if journald takes it at once.
    pub(super) fn write(&mut self, line: &LogLine) {
        if self.untold > 0 {
            let message = format!("{} records have not reached the journal", self.untold);
            let told = LogLine {
                level: Level::Warn,
                message,
                context: Context::new(),
                ..line.clone()
            };
            if self.send(&told) {
                self.untold = 0;
            }
        }
        if !self.send(line) {
            self.untold = self.untold.saturating_add(1);
        }
    }

    fn send(&self, line: &LogLine) -> bool {
        self.socket.send_to(&fields(line), &self.path).is_ok()
    }
}

/// A record in journald's words.
fn fields(line: &LogLine) -> Vec<u8> {
    let priority = match line.level {
        Level::Error => "3",
        Level::Warn => "4",
        Level::Info => "6",
        Level::Debug => "7",
    };
    let mut bytes = Vec::with_capacity(512);
    field(&mut bytes, "MESSAGE", &line.message);
    field(&mut bytes, "PRIORITY", priority);
    field(&mut bytes, "PERPS_PROCESS", line.process.name());
    let identifier = format!("perps-{}", line.process);
    field(&mut bytes, "SYSLOG_IDENTIFIER", &identifier);
    if let Some(tag) = line.tag() {
        field(&mut bytes, Tag::JOURNAL_FIELD, tag.name());
    }
    for (key, value) in line.context.iter() {
        // The facts have a prefix of their own: one of them may be called `process`.
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let key: String = key.chars().map(plain).take(48).collect();
        field(&mut bytes, &format!("FACT_{key}"), value);
    }
    bytes
}

/// One field: a line, or with its length in front if the value has line breaks.
fn field(bytes: &mut Vec<u8>, key: &str, value: &str) {
    bytes.extend_from_slice(key.as_bytes());
    if value.contains('\n') {
        let length = u64::try_from(value.len()).unwrap_or(u64::MAX);
        bytes.push(b'\n');
        bytes.extend_from_slice(&length.to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{Process, VenueMs};

    fn line(message: &str, context: Context) -> LogLine {
        LogLine {
            at: VenueMs(0),
            level: Level::Error,
            process: Process::RiskGuard,
            message: message.to_owned(),
            context,
            story: true,
        }
    }

    #[test]
    fn a_record_carries_its_tag_process_and_facts() {
        let context = Context::new()
            .with("max loss", "0.05")
            .with("process", "gateway");
        let text = fields(&line("SAFETY_DAILY_LOSS: too much", context));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "MESSAGE=SAFETY_DAILY_LOSS: too much\nPRIORITY=3\nPERPS_PROCESS=risk-guard\n\
             SYSLOG_IDENTIFIER=perps-risk-guard\nSAFETY_TAG=SAFETY_DAILY_LOSS\n\
             FACT_MAX_LOSS=0.05\nFACT_PROCESS=gateway\n"
        );
    }

    #[test]
    fn a_value_with_line_breaks_forges_no_field() {
        let text = fields(&line("panic: a\nSAFETY_TAG=SAFETY_HALT", Context::new()));
        let value = "panic: a\nSAFETY_TAG=SAFETY_HALT";
        let mut expected = b"MESSAGE\n".to_vec();
        expected.extend_from_slice(&(value.len() as u64).to_le_bytes());
        expected.extend_from_slice(value.as_bytes());
        expected.extend_from_slice(b"\nPRIORITY=3\n");
        assert!(text.starts_with(&expected));
    }

    #[test]
    fn what_does_not_arrive_is_counted_and_said_and_nobody_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        assert!(Journal::at(&path).is_err(), "no journald");
        let journald = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::at(&path).unwrap();
        while journal.untold < 3 {
            journal.write(&line("more", Context::new()));
        }
        let mut bytes = [0; 4096];
        journald.set_nonblocking(true).unwrap();
        while journald.recv(&mut bytes).is_ok() {}
        journal.write(&line("again", Context::new()));
        let n = journald.recv(&mut bytes).unwrap();
        let told = String::from_utf8_lossy(&bytes[..n]).into_owned();
        assert!(told.starts_with("MESSAGE=3 records have not"), "{told}");
        let n = journald.recv(&mut bytes).unwrap();
        assert!(bytes[..n].starts_with(b"MESSAGE=again\n"));
    }
}
