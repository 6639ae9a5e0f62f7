//! Inputs read ahead: a thread of its own turns text into inputs while the engine steps.
//!
//! Turning text into inputs takes longer than stepping them, so the two go side by side; the order
//! stays that of the file.

use std::io::BufRead as _;
use std::path::Path;
use std::sync::mpsc::SyncSender;

use history::Recorded;

use crate::lines::Lines;
use crate::source::{Records, SourceError};
use crate::taken::{Answer, Taken};

/// Inputs that are handed over at once.
const BATCH: usize = 1_024;

/// Batches that may wait.
pub(crate) const BATCHES_WAITING: usize = 4;

/// Numbered inputs, or why there are no more.
pub(crate) type Batch = Result<Vec<(u64, Taken)>, SourceError>;

/// Reads all records and sends them in order; ends early when nobody listens any more.
pub(crate) fn read(records: Records, to: &SyncSender<Batch>) {
    let ended = match records {
        Records::Journal(story) => batches(
            to,
            story.inputs().map(|(number, read)| match read {
                Ok(Recorded { input, told }) => {
                    let answer = Answer::Known(told);
                    Ok(Some((number, Taken { input, answer })))
                }
                Err(why) => Err(SourceError::BadInput {
                    place: format!("record {number}"),
                    why: why.to_string(),
                }),
            }),
        ),
        Records::Lines { reader, path } => {
            let mut lines = Lines::default();
            let numbered = reader.lines().zip(1_u64..);
            batches(
                to,
                numbered.map(|(line, number)| {
                    let read = line
                        .map_err(|e| e.to_string())
                        .and_then(|line| lines.read(&line));
                    read.map(|record| record.map(|record| (number, record)))
                        .map_err(|why| SourceError::BadInput {
                            place: place(&path, number),
                            why,
                        })
                }),
            )
        }
    };
    if let Err(error) = ended {
        // Nobody listens: then nobody wants to know.
        to.send(Err(error)).ok();
    }
}

fn place(path: &Path, line: u64) -> String {
    format!("{}:{line}", path.display())
}

fn batches(
    to: &SyncSender<Batch>,
    records: impl Iterator<Item = Result<Option<(u64, Taken)>, SourceError>>,
) -> Result<(), SourceError> {
    let mut batch = Vec::with_capacity(BATCH);
    for record in records {
        match record {
            Ok(Some(record)) => batch.push(record),
            Ok(None) => continue,
            Err(error) => {
                to.send(Ok(batch)).ok();
                return Err(error);
            }
        }
        if batch.len() >= BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            if to.send(Ok(full)).is_err() {
                return Ok(());
            }
        }
    }
    to.send(Ok(batch)).ok();
    Ok(())
}
