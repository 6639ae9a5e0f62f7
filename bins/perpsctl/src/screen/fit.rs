//! A screen that fits: what matters most stands on top and must not scroll away.

use super::{DIM, Detail, PLAIN, status};
use crate::picture::Picture;

/// The picture in at most so many rows and columns. First the limits that nothing uses go, then
/// what stands lowest.
pub(crate) fn fitted(picture: &Picture, rows: usize, columns: usize) -> Vec<String> {
    let mut lines = status(picture, Detail::All);
    if lines.len() > rows {
        lines = status(picture, Detail::Used);
    }
    if lines.len() > rows {
        let kept = rows.saturating_sub(1);
        let more = lines.len().saturating_sub(kept);
        lines.truncate(kept);
        lines.push(format!("{DIM}{more} lines more: perpsctl status{PLAIN}"));
    }
    lines.iter().map(|line| cut(line, columns)).collect()
}

/// A line of at most so many columns; colours take none.
pub(crate) fn cut(line: &str, columns: usize) -> String {
    let mut shown = String::new();
    let (mut taken, mut in_colour) = (0, false);
    for c in line.chars() {
        if c == '\x1b' {
            in_colour = true;
        } else if in_colour {
            in_colour = c != 'm';
        } else if taken == columns {
            continue;
        } else {
            taken += 1;
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::{GREEN, RED};

    #[test]
    fn a_cut_line_keeps_its_colours() {
        let line = format!("{RED}blocked{PLAIN}  by {GREEN}nobody{PLAIN}");
        assert_eq!(cut(&line, 99), line);
        assert_eq!(
            cut(&line, 5),
            format!("{RED}block{PLAIN}{GREEN}{PLAIN}"),
            "what comes after is not red"
        );
        assert_eq!(cut("", 5), "");
    }
}
