//! What children write, line by line: structured records from our own programs, plain text from
//! anything else (and from panics before logging begins).

use std::io;
use std::os::fd::OwnedFd;

use daemon::clock;
use daemon::logline::{Level, LogLine};
use protocol::{Context, Process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::unix::pipe;

use super::writer::{Reading, Writer};

/// The longest line that is taken from a child; the rest of a longer one is its own line.
const LINE_MOST: u64 = 64 * 1024;

/// Takes structured records until the child is gone.
pub(crate) fn read_records(process: Process, end: OwnedFd, writer: Writer) -> io::Result<()> {
    let lines = reader(end)?;
    let reading = writer.reading();
    tokio::spawn(each_line(lines, reading, move |text| {
        writer.write(serde_json::from_str(text).map_or_else(
            |_| plain(process, Level::Warn, text),
            // Whatever it says of itself, the pipe tells whose record it is.
            |line: LogLine| LogLine { process, ..line },
        ));
    }));
    Ok(())
}

/// Takes what a child prints until it is gone.
pub(crate) fn read_output(
    process: Process,
    end: OwnedFd,
    level: Level,
    writer: Writer,
) -> io::Result<()> {
    let lines = reader(end)?;
    let reading = writer.reading();
    tokio::spawn(each_line(lines, reading, move |text| {
        if !text.trim().is_empty() {
            writer.write(plain(process, level, text));
        }
    }));
    Ok(())
}

fn reader(end: OwnedFd) -> io::Result<BufReader<pipe::Receiver>> {
    Ok(BufReader::new(pipe::Receiver::from_owned_fd(end)?))
}

async fn each_line(mut lines: BufReader<pipe::Receiver>, reading: Reading, take: impl Fn(&str)) {
    // Until the last line has been handed over.
    let _reading = reading;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match (&mut lines)
            .take(LINE_MOST)
            .read_until(b'\n', &mut bytes)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) => take(String::from_utf8_lossy(&bytes).trim_end()),
        }
    }
}

fn plain(process: Process, level: Level, text: &str) -> LogLine {
    LogLine {
        at: clock::wall_now(),
        level,
        process,
        message: text.to_owned(),
        context: Context::new(),
        story: false,
    }
}
