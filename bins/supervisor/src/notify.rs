//! What the service manager hears of us: ready, how things stand, that the loop turns, the end.
//!
//! The protocol is `sd_notify(3)`: datagrams of `KEY=value` lines to the socket that the manager
//! names in the environment. Without one nothing is said. None of the variables is passed on: the
//! spawning room clears the environment of every child.
//!
//! What this room does not do: watch the children (a stuck one is the lifecycle's to restart), or
//! wait for the manager.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use daemon::environment;
use protocol::control::Standing;
use protocol::status::{ChildState, TradingState};
use protocol::{BootMs, Mode, Process};

/// The longest line that is said.
const STATUS_MOST: usize = 400;

/// How one child stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) process: Process,
    pub(crate) state: ChildState,
    pub(crate) waiting_for: String,
    pub(crate) standing: Option<Standing>,
}

/// How the house stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) mode: Mode,
    pub(crate) stopping: bool,
    pub(crate) children: Vec<Seen>,
    /// Why the config file on disk is not what is in force.
    pub(crate) rejected: Option<String>,
}

/// The way to the service manager.
#[derive(Debug)]
pub(crate) struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    /// How often the manager wants to hear that the loop turns, in milliseconds.
    watchdog_ms: Option<u64>,
    fed_at: Option<BootMs>,
    ready: bool,
    stopping: bool,
    said: String,
}

impl Notify {
    /// The manager that the environment names.
    pub(crate) fn from_environment() -> Self {
        let ours = environment::number("WATCHDOG_PID")
            .is_none_or(|pid| u32::try_from(pid) == Ok(std::process::id()));
        let wanted = environment::text("WATCHDOG_USEC").filter(|_| ours);
        Self::to(
            environment::text("NOTIFY_SOCKET").as_deref(),
            wanted.and_then(|usec| usec.parse().ok()),
        )
    }

    fn to(socket: Option<&str>, watchdog_usec: Option<u64>) -> Self {
        let manager = socket.and_then(|name| {
            let address = match name.strip_prefix('@') {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        Self {
            manager,
            watchdog_ms: watchdog_usec.map(|usec| usec / 1_000),
            fed_at: None,
            ready: false,
            stopping: false,
            said: String::new(),
        }
    }

    /// The loop has turned.
    pub(crate) fn turn(&mut self, now: BootMs, picture: impl FnOnce() -> Picture) {
        if self.manager.is_none() {
            return;
        }
        // Three times in the manager's span: one lost or late word is no reason to be killed.
        if let Some(span) = self.watchdog_ms
            && self.fed_at.is_none_or(|at| now.since(at) >= span / 3)
            && self.say("WATCHDOG=1")
        {
            self.fed_at = Some(now);
        }
        self.tell(&picture());
    }

    fn tell(&mut self, picture: &Picture) {
        if !self.ready && picture.has_answered() && self.say("READY=1") {
            self.ready = true;
        }
        if picture.stopping && !self.stopping && self.say("STOPPING=1") {
            self.stopping = true;
        }
        let line = picture.line();
        if line != self.said && self.say(&format!("STATUS={line}")) {
            self.said = line;
        }
    }

    /// Says something; false if the manager's queue is full, then the next turn says it.
    fn say(&self, words: &str) -> bool {
        let Some((socket, manager)) = &self.manager else {
            return true;
        };
        socket.send_to_addr(words.as_bytes(), manager).is_ok()
    }
}

impl Picture {
    /// Every child has answered, or will not be started again: the house serves, whatever the
    /// venue does. A child that was given up shows in the line, and blocks entries by itself.
    fn has_answered(&self) -> bool {
        let answered = |child: &Seen| match child.state {
            ChildState::Ready | ChildState::Latched | ChildState::Stopped => true,
            ChildState::Waiting
            | ChildState::Starting
            | ChildState::Backoff
            | ChildState::Stopping => false,
        };
        !self.stopping && self.children.iter().all(answered)
    }

    /// Mode, state, trips, and what is waited for, on one line.
    fn line(&self) -> String {
        let mode = self.mode.to_string().to_uppercase();
        if self.stopping {
            return format!("{mode} stopping");
        }
        let standing = self.children.iter().find_map(|c| c.standing.as_ref());
        let mut line = match standing {
            Some(standing) => format!("{mode} {}", standing.state),
            None => format!("{mode} entries blocked: the guard has not spoken"),
        };
        if let Some(standing) = standing {
            let tags: Vec<&str> = standing.trips.iter().map(|tag| tag.name()).collect();
            if !tags.is_empty() {
                line = format!("{line}: {}", tags.join(", "));
            } else if standing.state != TradingState::Active {
                line.push_str(": an operator's word");
            }
        }
        let waits = self.waits();
        if !waits.is_empty() {
            line = format!("{line}; waits for {}", waits.join("; "));
        }
        if let Some(why) = &self.rejected {
            line = format!("{line}; config on disk refused: {why}");
        }
        on_one_line(&line)
    }

    fn waits(&self) -> Vec<String> {
        let mut waits = Vec::new();
        for child in &self.children {
            let process = child.process;
            match child.state {
                ChildState::Ready if !child.waiting_for.is_empty() => {
                    waits.push(format!("{process}: {}", child.waiting_for));
                }
                ChildState::Ready => {}
                ChildState::Waiting | ChildState::Starting => {
                    waits.push(format!("{process} to be ready"));
                }
                ChildState::Backoff => waits.push(format!("{process} to be started again")),
                ChildState::Stopping | ChildState::Stopped => {
                    waits.push(format!("{process}, which has ended"));
                }
                ChildState::Latched => {
                    waits.push(format!("an operator: {process} does not stay up"));
                }
            }
            let entries = child.standing.iter().flat_map(|s| s.waiting_for.iter());
            waits.extend(entries.cloned());
        }
        waits
    }
}

/// A datagram is one line a key: no line break may come in from a reason, and no endless text.
fn on_one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(STATUS_MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Tag;

    fn seen(process: Process, state: ChildState) -> Seen {
        Seen {
            process,
            state,
            waiting_for: String::new(),
            standing: None,
        }
    }

    fn picture(guard: Option<Standing>) -> Picture {
        Picture {
            mode: Mode::Testnet,
            stopping: false,
            children: vec![
                Seen {
                    standing: guard,
                    ..seen(Process::RiskGuard, ChildState::Ready)
                },
                seen(Process::Gateway, ChildState::Ready),
            ],
            rejected: None,
        }
    }

    fn active() -> Standing {
        Standing {
            state: TradingState::Active,
            trips: Vec::new(),
            waiting_for: Vec::new(),
        }
    }

    #[test]
    fn the_line_says_mode_state_trips_and_what_is_waited_for() {
        assert_eq!(picture(Some(active())).line(), "TESTNET ACTIVE");
        let mut tripped = picture(Some(Standing {
            state: TradingState::ReduceOnly,
            trips: vec![Tag::DailyLoss, Tag::Drawdown],
            waiting_for: Vec::new(),
        }));
        tripped.children[1].waiting_for = "the venue\n(refused)".to_owned();
        tripped.rejected = Some("perps.yaml:3:1: no".to_owned());
        assert_eq!(
            tripped.line(),
            "TESTNET REDUCE_ONLY: SAFETY_DAILY_LOSS, SAFETY_DRAWDOWN; waits for gateway: the venue (refused); config on disk refused: perps.yaml:3:1: no"
        );
        let mut early = picture(None);
        early.children[1].state = ChildState::Starting;
        assert_eq!(
            early.line(),
            "TESTNET entries blocked: the guard has not spoken; waits for gateway to be ready"
        );
    }

    #[test]
    fn ready_means_that_every_child_has_answered_and_not_the_venue() {
        let mut house = picture(None);
        house.children[1].waiting_for = "the venue".to_owned();
        assert!(house.has_answered());
        house.children[0].state = ChildState::Latched;
        assert!(house.has_answered(), "given up is an answer, too");
        for state in [
            ChildState::Waiting,
            ChildState::Starting,
            ChildState::Backoff,
        ] {
            house.children[0].state = state;
            assert!(!house.has_answered(), "{state:?}");
        }
    }

    #[test]
    fn the_manager_hears_ready_once_changes_and_that_the_loop_turns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let mut notify = Notify::to(path.to_str(), Some(3_000_000));
        for ms in (0..4_000).step_by(50) {
            notify.turn(BootMs(ms), || picture(Some(active())));
        }
        notify.turn(BootMs(4_000), || Picture {
            stopping: true,
            ..picture(None)
        });
        let mut heard = Vec::new();
        let mut bytes = [0; 1024];
        while let Ok(n) = manager.recv(&mut bytes) {
            heard.push(String::from_utf8_lossy(&bytes[..n]).into_owned());
        }
        let count = |word: &str| heard.iter().filter(|h| h.starts_with(word)).count();
        assert_eq!(count("WATCHDOG=1"), 5, "{heard:?}");
        assert_eq!(count("READY=1"), 1, "{heard:?}");
        assert_eq!(count("STATUS=TESTNET ACTIVE"), 1, "{heard:?}");
        assert_eq!(count("STOPPING=1"), 1, "{heard:?}");
    }

    #[test]
    fn without_a_manager_nothing_is_looked_at() {
        let mut notify = Notify::to(None, None);
        let mut looked = false;
        notify.turn(BootMs(0), || {
            looked = true;
            picture(None)
        });
        assert!(!looked);
    }
}
