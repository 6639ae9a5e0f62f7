//! Lines to and from the guard's socket, in order.

use std::io;
use std::time::Duration;

use daemon::clock::boot_now;
use daemon::lines::Lines;
use daemon::stream::{ReadHalf, WriteHalf, halves};
use protocol::frame::{Head, Message, write};
use tokio::net::UnixStream;

/// Bytes that may wait for a guard that does not read.
const MOST_WAITING: usize = 4 * 1024 * 1024;

/// Both ways of one connection.
pub(super) fn ways(stream: UnixStream) -> io::Result<(Out, In)> {
    let (reader, writer) = halves(stream.into_std()?)?;
    let out = Out {
        writer,
        waiting: Vec::new(),
    };
    let heard = In {
        reader,
        lines: Lines::new(),
        buffer: vec![0; 16 * 1024],
    };
    Ok((out, heard))
}

/// The way out: whole lines, in order. They leave with the next [`flush`](Out::flush).
#[derive(Debug)]
pub(super) struct Out {
    writer: WriteHalf,
    waiting: Vec<u8>,
}

impl Out {
    pub(super) fn request<M: Message>(
        &mut self,
        id: u64,
        patience: Duration,
        message: &M,
    ) -> Result<(), String> {
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.line(Head::request(id, boot_now().after(patience)), message)
    }

    pub(super) fn push<M: Message>(&mut self, message: &M) -> Result<(), String> {
        self.line(Head::push(), message)
    }

    fn line<M: Message>(&mut self, head: Head, message: &M) -> Result<(), String> {
        write(head, message, &mut self.waiting).map_err(|error| error.message)
    }

    /// Writes what the socket takes now.
    pub(super) fn flush(&mut self) -> Result<(), String> {
        while !self.waiting.is_empty() {
            match self.writer.write(&self.waiting) {
                Ok(written) => drop(self.waiting.drain(..written)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(format!("the risk-guard cannot be written to: {e}")),
            }
        }
        let left = self.waiting.len();
        if left > MOST_WAITING {
            return Err(format!(
                "the risk-guard does not read; {left} bytes wait for it"
            ));
        }
        Ok(())
    }

    /// Waits until more can be flushed; for ever if nothing waits.
    pub(super) fn room(&self) -> impl Future<Output = ()> + use<> {
        let full = (!self.waiting.is_empty()).then(|| self.writer.clone());
        async move {
            match full {
                // What is wrong with the socket is met by the flush.
                Some(writer) => drop(writer.room().await),
                None => std::future::pending().await,
            }
        }
    }
}

/// The way in.
pub(super) struct In {
    reader: ReadHalf,
    lines: Lines,
    buffer: Vec<u8>,
}

impl In {
    /// The next whole line, if one has been read.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, String> {
        let next = self.lines.next().transpose();
        next.map_err(|error| format!("the risk-guard said something odd: {error}"))
    }

    /// Waits for more bytes. May be dropped on the way.
    pub(super) async fn read(&mut self) -> Result<(), String> {
        match self.reader.read(&mut self.buffer).await {
            Ok(n @ 1..) => {
                self.lines.push(self.buffer.get(..n).unwrap_or_default());
                Ok(())
            }
            Ok(0) => Err("the risk-guard closed the connection".to_owned()),
            Err(e) => Err(format!("the risk-guard cannot be heard: {e}")),
        }
    }
}
