//! A file that is mostly zeros, read without making memory of its zeros.
//!
//! Every byte of the file is looked at: what stands behind zeros decides whether a bad place is a
//! torn write or damage. But the pages that are zero are not copied, and a run of them in front of
//! the last page is remembered, so that nobody has to look at it again.

use std::io::{self, ErrorKind, Read};
use std::ops::Range;

/// What is read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// What is copied or left out.
const PAGE_BYTES: usize = 4096;

/// The bytes of a file, and a run of zeros in it.
#[derive(Debug, Default)]
pub struct Sparse {
    pub(crate) bytes: Vec<u8>,
    /// All zero, and nothing but the last page that is not stands behind it; may be empty.
    pub(crate) zeros: Range<usize>,
}

impl Sparse {
    /// Reads to the end; about `length` bytes are expected.
    pub fn read(mut from: impl Read, length: usize) -> io::Result<Self> {
        // Zeros that are asked for are not touched, so that they cost no memory.
        let mut bytes = vec![0; length];
        let mut chunk = vec![0; CHUNK_BYTES];
        let (mut at, mut before) = (0, 0);
        let mut last = 0..0;
        loop {
            let got = match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(got) => got,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            if bytes.len() < at + got {
                bytes.resize(at + got, 0);
            }
            for page in chunk.get(..got).unwrap_or_default().chunks(PAGE_BYTES) {
                let place = at..at + page.len();
                at = place.end;
                if is_zero(page) {
                    continue;
                }
                if let Some(room) = bytes.get_mut(place.clone()) {
                    room.copy_from_slice(page);
                }
                before = last.end;
                last = place;
            }
        }
        bytes.truncate(at);
        let zeros = if last.end == at {
            before..last.start
        } else {
            last.end..at
        };
        Ok(Self { bytes, zeros })
    }
}

pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<32>();
    words.iter().all(|w| *w == [0; 32]) && rest.iter().all(|b| *b == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out what it has in pieces of odd lengths.
    struct Dripping<'a>(&'a [u8], usize);

    impl Read for Dripping<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = into.len().min(self.1);
            self.0.read(&mut into[..most])
        }
    }

    fn check(file: &[u8], expected: usize, drip: usize) -> Sparse {
        let sparse = Sparse::read(Dripping(file, drip), expected).unwrap();
        assert!(sparse.bytes == file, "the bytes are those of the file");
        assert!(is_zero(&file[sparse.zeros.clone()]), "{:?}", sparse.zeros);
        sparse
    }

    #[test]
    fn a_file_comes_back_whole_wherever_its_bytes_are() {
        let length = 5 * PAGE_BYTES + 24;
        let places: Vec<usize> = (0..=5)
            .flat_map(|n| [n * PAGE_BYTES, n * PAGE_BYTES + 23, n * PAGE_BYTES + 4095])
            .filter(|at| *at < length)
            .collect();
        for &first in &places {
            for &second in &places {
                let mut file = vec![0; length];
                file[first] = 1;
                file[second] = 2;
                for drip in [7_000, CHUNK_BYTES] {
                    for expected in [0, length, length + 100] {
                        check(&file, expected, drip);
                    }
                }
            }
        }
    }

    #[test]
    fn the_run_between_what_is_used_and_the_footer_is_known() {
        let mut file = vec![0; 64 * PAGE_BYTES];
        file[100] = 1;
        let unfinished = check(&file, file.len(), CHUNK_BYTES);
        assert_eq!(unfinished.zeros, PAGE_BYTES..64 * PAGE_BYTES);
        *file.last_mut().unwrap() = 1;
        let used = check(&file, file.len(), CHUNK_BYTES);
        assert_eq!(used.zeros, PAGE_BYTES..63 * PAGE_BYTES);
        file[40 * PAGE_BYTES] = 1;
        let hole = check(&file, file.len(), CHUNK_BYTES);
        assert_eq!(hole.zeros, 41 * PAGE_BYTES..63 * PAGE_BYTES);
        assert!(check(&[], 0, 1).zeros.is_empty());
    }
}
