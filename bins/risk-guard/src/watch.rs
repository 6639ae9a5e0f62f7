//! What wakes the loop: its sockets, and one timer.
//!
//! The kernel keeps the list of who is waited for, so a turn that changes nobody's wish says
//! nothing to it. Time is watched by one timer that is set anew only for what is due before it
//! rings: a time limit on every wait would set and take back a timer for every single decision,
//! and on a virtual machine that alone costs more than deciding. It may ring early; whoever is due
//! is asked all the same.
//! What this room does not do: read, write, or know what is due.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use protocol::BootMs;

/// How many are told at a time; whoever is left is told in the next turn.
const MOST_AT_ONCE: usize = 64;

/// Who can wake the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Somebody waits at the door.
    Door,
    /// The supervisor.
    Control,
    /// The alert-forwarder.
    Alerts,
    /// The peer of this serial number, which is never given twice.
    Peer(u64),
}

/// The list, and the timer.
#[derive(Debug)]
pub(crate) struct Watch {
    epoll: Epoll,
    timer: TimerFd,
    /// When the timer rings; `None` once it has.
    rings: Option<BootMs>,
    events: [EpollEvent; MOST_AT_ONCE],
}

impl Watch {
    /// Watches nobody yet.
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self {
            epoll,
            timer,
            rings: None,
            events: [EpollEvent::empty(); MOST_AT_ONCE],
        })
    }

    /// Watches somebody from now on; one whose descriptor is closed leaves the list by itself.
    pub(crate) fn add(&self, who: Who, fd: impl AsFd, wish: EpollFlags) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(wish, who.number()))?)
    }

    /// Watches somebody for something else.
    pub(crate) fn change(&self, who: Who, fd: impl AsFd, wish: EpollFlags) -> io::Result<()> {
        let mut event = EpollEvent::new(wish, who.number());
        Ok(self.epoll.modify(fd, &mut event)?)
    }

    /// Waits until somebody can be served or something is due, and says who.
    pub(crate) fn wait(&mut self, due: BootMs, now: BootMs) -> impl Iterator<Item = Who> {
        let limit = if due <= now || self.ring_by(due).is_err() {
            EpollTimeout::ZERO
        } else {
            EpollTimeout::NONE
        };
        // Interrupted or not: whoever is ready now is ready in the next turn.
        let woken = self.epoll.wait(&mut self.events, limit).unwrap_or(0);
        let woken = self.events.get(..woken).unwrap_or_default();
        if woken.iter().any(|event| event.data() == TIMER) {
            self.rings = None;
        }
        woken.iter().filter_map(|event| Who::numbered(event.data()))
    }

    fn ring_by(&mut self, due: BootMs) -> nix::Result<()> {
        if self.rings.is_some_and(|rings| rings <= due) {
            return Ok(());
        }
        let at = TimeSpec::from_duration(Duration::from_millis(due.0));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
        // Setting it also takes back a ring that nobody has read.
        self.timer.set(Expiration::OneShot(at), flags)?;
        self.rings = Some(due);
        Ok(())
    }
}

/// The timer's number among those of [`Who`].
const TIMER: u64 = 0;
const DOOR: u64 = 1;
const CONTROL: u64 = 2;
const ALERTS: u64 = 3;
const FIRST_PEER: u64 = 4;

impl Who {
    const fn number(self) -> u64 {
        match self {
            Self::Door => DOOR,
            Self::Control => CONTROL,
            Self::Alerts => ALERTS,
            Self::Peer(serial) => serial.saturating_add(FIRST_PEER),
        }
    }

    const fn numbered(number: u64) -> Option<Self> {
        match number {
            TIMER => None,
            DOOR => Some(Self::Door),
            CONTROL => Some(Self::Control),
            ALERTS => Some(Self::Alerts),
            peer => Some(Self::Peer(peer.saturating_sub(FIRST_PEER))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use daemon::clock::boot_now;

    use super::*;

    const PEER: Who = Who::Peer(0);

    fn woken(watch: &mut Watch, due: BootMs) -> Vec<Who> {
        watch.wait(due, boot_now()).collect()
    }

    #[test]
    fn it_rings_by_what_is_due_first_whatever_was_due_before() {
        let mut watch = Watch::new().unwrap();
        let begun = boot_now();
        let (soon, late) = (begun.after(20), begun.after(60_000));
        // Set for later, then for sooner: a minute is not slept through.
        watch.ring_by(late).unwrap();
        assert!(woken(&mut watch, soon).is_empty());
        assert!(boot_now() >= soon && boot_now() < late);
        // It rang; it is set again for what is due next.
        let next = boot_now().after(20);
        assert!(woken(&mut watch, next).is_empty());
        assert!(boot_now() >= next && boot_now() < late);
        // What is due already does not wait at all.
        assert!(woken(&mut watch, begun).is_empty());
        assert_eq!(watch.rings, None);
    }

    #[test]
    fn whoever_is_watched_wakes_it_and_whoever_is_closed_is_forgotten() {
        let mut watch = Watch::new().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        watch.add(PEER, &ours, EpollFlags::EPOLLIN).unwrap();
        let late = boot_now().after(60_000);
        theirs.write_all(b"x").unwrap();
        assert_eq!(woken(&mut watch, late), [PEER]);
        assert_eq!(woken(&mut watch, late), [PEER], "as long as it is unread");
        watch.change(PEER, &ours, EpollFlags::empty()).unwrap();
        assert!(woken(&mut watch, boot_now()).is_empty());
        watch.change(PEER, &ours, EpollFlags::EPOLLOUT).unwrap();
        assert_eq!(woken(&mut watch, late), [PEER]);
        drop(ours);
        assert!(woken(&mut watch, boot_now().after(5)).is_empty());
    }
}
