//! The peers of `guard.sock`: who is there, what they said, what they are to be told.
//!
//! What this room is for: accepting, naming, flushing and closing connections. What it does not
//! do: read a message. A peer that is closed is gone at once; an answer to one that has left goes
//! nowhere, and nobody else notices.

use std::io;
use std::os::unix::net::UnixListener;

use daemon::lines::Lines;
use nix::sys::epoll::EpollFlags;
use protocol::frame::{ErrorBody, ErrorCode, Head, Message};
use protocol::guard::GuardReply;

use crate::door::{Rank, Visitor};
use crate::watch::{Watch, Who};
use crate::wire::{Read, Wire};

/// Connections at a time: a gateway, a few operators, and room for mistakes.
const MOST_PEERS: usize = 64;

/// One connection, never another one that took its place later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerId {
    place: usize,
    serial: u64,
}

#[derive(Debug)]
struct Peer {
    wire: Wire,
    serial: u64,
    visitor: Visitor,
    /// Closed as soon as everything queued is written.
    closing: bool,
    /// The next flush has something to do for it.
    dirty: bool,
}

/// All connections.
#[derive(Debug)]
pub(crate) struct Connections {
    listener: UnixListener,
    peers: Vec<Option<Peer>>,
    next_serial: u64,
}

impl Connections {
    /// Serves this listening socket.
    pub(crate) fn new(listener: UnixListener, watch: &Watch) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        watch.add(Who::Door, &listener, EpollFlags::EPOLLIN)?;
        Ok(Self {
            listener,
            peers: Vec::new(),
            next_serial: 0,
        })
    }

    /// The peer of this serial number, if it is still there.
    pub(crate) fn of(&self, serial: u64) -> Option<PeerId> {
        let is_it = |slot: &Option<Peer>| slot.as_ref().is_some_and(|peer| peer.serial == serial);
        let place = self.peers.iter().position(is_it)?;
        Some(PeerId { place, serial })
    }

    /// Takes everybody who waits at the door.
    pub(crate) fn accept(&mut self, operator_group: Option<&str>) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    let visitor = Visitor::at(&stream, operator_group);
                    match Wire::new(stream) {
                        Ok(wire) => self.admit(wire, visitor),
                        Err(error) => tracing::warn!(%error, "a connection could not be set up"),
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    return;
                }
            }
        }
    }

    /// Reads what a peer has sent; `None` if it has left. The lines are to be given back.
    pub(crate) fn read(&mut self, id: PeerId, scratch: &mut [u8]) -> Option<(Lines, Read)> {
        let peer = self.get(id)?;
        // It may have been woken because it can be written to again.
        peer.dirty |= !peer.wire.is_flushed();
        let read = peer.wire.read(scratch).unwrap_or(Read::Ended);
        Some((peer.wire.take_lines(), read))
    }

    /// Puts back the lines that [`Connections::read`] took out.
    pub(crate) fn give_back(&mut self, id: PeerId, lines: Lines) {
        if let Some(peer) = self.get(id) {
            peer.wire.give_back(lines);
        }
    }

    /// What a peer may do; a stranger's rank if it has left.
    pub(crate) fn rank(&mut self, id: PeerId) -> Rank {
        self.get(id)
            .map_or(Rank::Stranger, |peer| peer.visitor.rank)
    }

    /// Who a peer is, and what it calls itself.
    pub(crate) fn in_words(&mut self, id: PeerId, says: &str) -> String {
        let visitor = self.get(id).map(|peer| peer.visitor);
        visitor.map_or_else(String::new, |visitor| visitor.in_words(says))
    }

    /// Whether what a peer says is still listened to.
    pub(crate) fn listens(&mut self, id: PeerId) -> bool {
        self.get(id).is_some_and(|peer| !peer.closing)
    }

    /// Queues a message. What does not fit a line becomes an error answer.
    pub(crate) fn tell<M: Message>(&mut self, id: PeerId, head: Head, message: &M) {
        let Some(peer) = self.get(id) else { return };
        peer.dirty = true;
        if let Err(error) = peer.wire.queue(head, message) {
            tracing::error!(kind = message.kind(), %error, "a message could not be written");
            if let Err(error) = peer.wire.queue(head, &GuardReply::Error(error)) {
                tracing::error!(%error, "nor could the error that says so");
            }
        }
    }

    /// Queues an error answer, and hangs up after it if it is of that kind.
    pub(crate) fn refuse(&mut self, id: PeerId, request: Option<u64>, error: ErrorBody) {
        let closes = error.closes();
        self.tell(
            id,
            Head {
                id: request,
                deadline: None,
            },
            &GuardReply::Error(error),
        );
        if closes {
            self.hang_up(id);
        }
    }

    /// Closes a connection once everything queued has been written.
    pub(crate) fn hang_up(&mut self, id: PeerId) {
        if let Some(peer) = self.get(id) {
            peer.closing = true;
            peer.dirty = true;
        }
    }

    /// Writes what is queued for everybody; whoever reads too slowly is dropped. Gives back who
    /// has gone.
    pub(crate) fn flush(&mut self, watch: &Watch) -> Vec<PeerId> {
        let mut gone = Vec::new();
        for (place, slot) in self.peers.iter_mut().enumerate() {
            let Some(peer) = slot.as_mut().filter(|peer| peer.dirty) else {
                continue;
            };
            peer.dirty = false;
            let (who, listens) = (Who::Peer(peer.serial), !peer.closing);
            let flushed = peer.wire.flush();
            let over = match flushed.and_then(|()| peer.wire.wake(watch, who, listens)) {
                Ok(()) => peer.closing && peer.wire.is_flushed(),
                Err(error) => {
                    tracing::debug!(%error, "a connection was dropped");
                    true
                }
            };
            if over {
                gone.push(PeerId {
                    place,
                    serial: peer.serial,
                });
            }
        }
        for id in &gone {
            self.close(*id);
        }
        gone
    }

    /// Forgets a connection at once.
    pub(crate) fn close(&mut self, id: PeerId) {
        if let Some(slot) = self.peers.get_mut(id.place)
            && slot.as_ref().is_some_and(|peer| peer.serial == id.serial)
        {
            *slot = None;
        }
    }

    fn admit(&mut self, mut wire: Wire, visitor: Visitor) {
        let free = self.peers.iter().position(Option::is_none);
        let place = free.unwrap_or(self.peers.len());
        let no = if visitor.rank == Rank::Stranger {
            Some("only the gateway and the operator may connect here; bots use gateway.sock")
        } else if place >= MOST_PEERS {
            Some("too many connections; close one first")
        } else {
            None
        };
        if let Some(no) = no {
            let error = GuardReply::Error(ErrorBody::new(ErrorCode::Forbidden, no));
            let told = wire.queue(Head::push(), &error).is_ok() && wire.flush().is_ok();
            tracing::warn!(told, "a connection was refused: {no}");
            return;
        }
        self.next_serial = self.next_serial.saturating_add(1);
        let peer = Peer {
            wire,
            serial: self.next_serial,
            visitor,
            closing: false,
            // The next flush has the loop woken by it.
            dirty: true,
        };
        match self.peers.get_mut(place) {
            Some(slot) => *slot = Some(peer),
            None => self.peers.push(Some(peer)),
        }
    }

    fn get(&mut self, id: PeerId) -> Option<&mut Peer> {
        let peer = self.peers.get_mut(id.place)?.as_mut()?;
        (peer.serial == id.serial).then_some(peer)
    }
}
