//! Bytes in, whole lines out. Pure; the one place that cuts a stream into frames.

use protocol::frame::{ErrorBody, ErrorCode, MAX_LINE};

/// Collects bytes until they make lines.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Everything before this has been handed out.
    taken: usize,
    /// Everything before this holds no newline.
    searched: usize,
}

impl Lines {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what has been read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.taken > 0 {
            self.bytes.drain(..self.taken);
            self.searched = self.searched.saturating_sub(self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole line without its newline; `None` if there is none yet. An error means the
    /// peer sends lines that are too long: answer it, then close the connection.
    #[expect(
        clippy::should_implement_trait,
        reason = "it lends from itself; no Iterator can"
    )]
    pub fn next(&mut self) -> Option<Result<&[u8], ErrorBody>> {
        let from = self.searched.max(self.taken);
        let rest = self.bytes.get(from..)?;
        let Some(at) = memchr::memchr(b'\n', rest) else {
            self.searched = self.bytes.len();
            let waiting = self.bytes.len().saturating_sub(self.taken);
            return (waiting > MAX_LINE).then(|| Err(too_long(waiting)));
        };
        let (start, end) = (self.taken, from.saturating_add(at));
        self.taken = end.saturating_add(1);
        self.searched = self.taken;
        if end.saturating_sub(start) >= MAX_LINE {
            return Some(Err(too_long(end.saturating_sub(start))));
        }
        self.bytes.get(start..end).map(Ok)
    }
}

fn too_long(length: usize) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::TooLong,
        format!(
            "a line is at most {MAX_LINE} bytes with its newline, this one has {length} already"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(lines: &mut Lines) -> Vec<Vec<u8>> {
        let mut out = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            out.push(line.to_vec());
        }
        out
    }

    #[test]
    fn a_line_that_never_ends_is_refused() {
        let mut lines = Lines::new();
        lines.push(&vec![b'x'; MAX_LINE + 1]);
        assert_eq!(lines.next().unwrap().unwrap_err().code, ErrorCode::TooLong);
        let mut lines = Lines::new();
        let mut long = vec![b'x'; MAX_LINE];
        long.push(b'\n');
        lines.push(&long);
        assert!(lines.next().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_lines_are_the_same(
            text in prop::collection::vec(prop::collection::vec(b'a'..=b'z', 0..20), 0..20),
            cuts in prop::collection::vec(1usize..7, 1..50),
        ) {
            let mut stream: Vec<u8> = Vec::new();
            for line in &text {
                stream.extend_from_slice(line);
                stream.push(b'\n');
            }
            let mut lines = Lines::new();
            let mut out = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                lines.push(now);
                out.extend(drain(&mut lines));
                rest = later;
            }
            prop_assert_eq!(out, text);
        }
    }
}
