//! One stream socket without blocking: lines in, frames out.
//!
//! What this room is for: the same few lines of reading, framing and writing for peers, for the
//! control channel and for the alert-forwarder. What it does not do: know what is said, or when
//! to write: whoever queues calls [`Wire::flush`] once for all.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use daemon::lines::Lines;
use nix::sys::epoll::EpollFlags;
use protocol::frame::{self, ErrorBody, Head, MAX_LINE, Message};

use crate::watch::{Watch, Who};

/// Bytes that may wait for a reader; a slower one is dropped.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// A buffer for one read, shared by all wires.
pub(crate) const READ_BYTES: usize = MAX_LINE;

/// A socket with what is half read and half written.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: UnixStream,
    input: Lines,
    output: Vec<u8>,
    written: usize,
    /// What the loop is woken for; `None` before it was ever told.
    wish: Option<EpollFlags>,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// The other side may say more.
    Open,
    /// The other side has ended; lines may be left.
    Ended,
}

impl Wire {
    /// A connected socket; it does not block from here on.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            input: Lines::new(),
            output: Vec::new(),
            written: 0,
            wish: None,
        })
    }

    /// Has the loop woken by this one: when something can be read, if it `listens`, and when what
    /// waits can be written. To be said after every [`Wire::flush`].
    pub(crate) fn wake(&mut self, watch: &Watch, who: Who, listens: bool) -> io::Result<()> {
        let mut wish = EpollFlags::empty();
        wish.set(EpollFlags::EPOLLIN, listens);
        wish.set(EpollFlags::EPOLLOUT, !self.is_flushed());
        match self.wish.replace(wish) {
            None => watch.add(who, &self.stream, wish),
            Some(before) if before != wish => watch.change(who, &self.stream, wish),
            Some(_) => Ok(()),
        }
    }

    /// Reads once, so that one who talks without end does not keep the others waiting; what is
    /// left wakes the loop again.
    pub(crate) fn read(&mut self, scratch: &mut [u8]) -> io::Result<Read> {
        match self.stream.read(scratch) {
            Ok(0) => Ok(Read::Ended),
            Ok(n) => {
                self.input.push(scratch.get(..n).unwrap_or_default());
                Ok(Read::Open)
            }
            Err(e) if is_passing(&e) => Ok(Read::Open),
            Err(e) => Err(e),
        }
    }

    /// The lines read so far, to be given back with [`Wire::give_back`].
    pub(crate) fn take_lines(&mut self) -> Lines {
        std::mem::take(&mut self.input)
    }

    /// Puts back what [`Wire::take_lines`] took.
    pub(crate) fn give_back(&mut self, lines: Lines) {
        self.input = lines;
    }

    /// Adds a frame to what is to be written.
    pub(crate) fn queue<M: Message>(&mut self, head: Head, message: &M) -> Result<(), ErrorBody> {
        frame::write(head, message, &mut self.output)
    }

    /// Writes what can be written now. An error means that the wire is of no use any more, also
    /// when its reader is too slow.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .output
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => self.written = self.written.saturating_add(n),
                Err(e) if is_passing(&e) => return self.bounded(),
                Err(e) => return Err(e),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Whether everything queued has been written.
    pub(crate) const fn is_flushed(&self) -> bool {
        self.output.is_empty()
    }

    fn bounded(&mut self) -> io::Result<()> {
        self.output.drain(..self.written);
        self.written = 0;
        if self.output.len() > MOST_WAITING {
            Err(io::Error::other("it reads too slowly"))
        } else {
            Ok(())
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use protocol::frame::ErrorCode;

    use super::*;

    #[test]
    fn what_cannot_be_written_waits_and_too_much_of_it_ends_the_wire() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(ours).unwrap();
        let reply = protocol::guard::GuardReply::Error(ErrorBody::new(
            ErrorCode::Internal,
            "x".repeat(60_000),
        ));
        let mut queued = 0;
        let ended = loop {
            wire.queue(Head::answer(1), &reply).unwrap();
            queued += 60_000;
            if wire.flush().is_err() {
                break queued;
            }
        };
        assert!((MOST_WAITING..2 * MOST_WAITING).contains(&ended), "{ended}");
        drop(theirs);
    }
}
