//! A Unix stream socket on tokio, in two halves that are woken for what they wait for.
//!
//! tokio's own type waits for room to write all the time, and the kernel tells of room each time
//! the other side has read: whoever has just asked something is woken for nothing while the other
//! side thinks about it. Here nobody waits for room but who has found none.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Both halves of a connected socket; it does not block from here on. Needs a tokio runtime. The
/// socket is closed once both halves are gone.
pub fn halves(stream: UnixStream) -> io::Result<(ReadHalf, WriteHalf)> {
    stream.set_nonblocking(true)?;
    let stream = Arc::new(stream);
    let reading = waiting_for(Interest::READABLE, Arc::clone(&stream))?;
    Ok((ReadHalf(reading), WriteHalf(stream)))
}

#[expect(unsafe_code, reason = "tokio wants a promise that a type cannot make")]
fn waiting_for(what: Interest, stream: Arc<UnixStream>) -> io::Result<AsyncFd<Arc<UnixStream>>> {
    // SAFETY: a UnixStream holds the one descriptor it was made with and closes it when it is
    // dropped; the Arc, which only lends it, keeps it until the AsyncFd is gone.
    let registered = unsafe { AsyncFd::register_with_interest(stream, what) };
    registered.map_err(|error| error.into_parts().1)
}

/// What comes in.
#[derive(Debug)]
pub struct ReadHalf(AsyncFd<Arc<UnixStream>>);

/// What goes out; copies share the socket.
#[derive(Debug, Clone)]
pub struct WriteHalf(Arc<UnixStream>);

impl ReadHalf {
    /// Waits until something can be read, and reads it; 0 at the end. Dropped on the way, it has
    /// read nothing.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            match (&**self.0.get_ref()).read(buffer) {
                Ok(n) => {
                    // A short read has emptied the socket: what comes later wakes anew.
                    if n > 0 && n < buffer.len() {
                        ready.clear_ready();
                    }
                    return Ok(n);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}

impl WriteHalf {
    /// Writes as much as there is room for now.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    /// Waits for room.
    pub async fn room(&self) -> io::Result<()> {
        // Another descriptor of the same socket: the one that is read is not to be woken by this.
        let own = Arc::new(self.0.try_clone()?);
        let waiting = waiting_for(Interest::WRITABLE, own)?;
        waiting.writable().await?.retain_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn everything_comes_through_a_socket_that_is_full_most_of_the_time() {
        let (one, other) = UnixStream::pair().unwrap();
        run(async {
            let (_, out) = halves(one).unwrap();
            let (into, _) = halves(other).unwrap();
            let sent: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
            let writing = async {
                let mut rest = sent.as_slice();
                let mut full = 0;
                while !rest.is_empty() {
                    match out.write(rest) {
                        Ok(n) => rest = &rest[n..],
                        Err(e) => {
                            assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
                            full += 1;
                            out.room().await.unwrap();
                        }
                    }
                }
                full
            };
            let reading = async {
                let mut heard = Vec::new();
                let mut buffer = vec![0; 10_000];
                while heard.len() < sent.len() {
                    let n = into.read(&mut buffer).await.unwrap();
                    heard.extend_from_slice(&buffer[..n]);
                }
                heard
            };
            let (full, heard) = tokio::join!(writing, reading);
            assert!(full > 0, "it was never full");
            assert!(heard == sent);
        });
    }

    #[test]
    fn the_end_is_seen_once_the_other_side_has_dropped_both_halves() {
        let (one, other) = UnixStream::pair().unwrap();
        run(async {
            let (into, out) = halves(one).unwrap();
            let theirs = halves(other).unwrap();
            assert_eq!(theirs.1.write(b"last words").unwrap(), 10);
            drop(theirs);
            let mut buffer = [0; 64];
            assert_eq!(into.read(&mut buffer).await.unwrap(), 10);
            assert_eq!(into.read(&mut buffer).await.unwrap(), 0);
            assert!(out.write(b"nobody there").is_err());
        });
    }
}
