//! Lines to and from the guard's socket, in order.

use std::time::Duration;

use daemon::clock::boot_now;
use daemon::lines::Lines;
use protocol::frame::{Head, Message, write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

/// Lines that may wait for a guard that does not read.
pub(super) const MOST_WAITING: usize = 2048;

/// The way out: whole lines, in order.
pub(super) struct Out {
    pub(super) lines: mpsc::Sender<Vec<u8>>,
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
        let mut bytes = Vec::new();
        write(head, message, &mut bytes).map_err(|error| error.message)?;
        self.lines.try_send(bytes).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                format!("the risk-guard does not read; {MOST_WAITING} lines wait for it")
            }
            mpsc::error::TrySendError::Closed(_) => {
                "the risk-guard cannot be written to".to_owned()
            }
        })
    }
}

/// A task that ends with its owner.
pub(super) struct Aborted(pub(super) tokio::task::JoinHandle<()>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) async fn write_lines(mut writer: OwnedWriteHalf, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut bytes) = lines.recv().await {
        // What waits goes out in one call.
        while bytes.len() < 256 * 1024 {
            let Ok(more) = lines.try_recv() else { break };
            bytes.extend_from_slice(&more);
        }
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

pub(super) async fn read_lines(mut reader: OwnedReadHalf, frames: mpsc::Sender<Vec<u8>>) {
    let mut lines = Lines::new();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = reader.read(&mut buffer).await else {
            return;
        };
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return;
        };
        lines.push(bytes);
        while let Some(line) = lines.next() {
            let Ok(line) = line else { return };
            if frames.send(line.to_vec()).await.is_err() {
                return;
            }
        }
    }
}
