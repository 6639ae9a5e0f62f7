//! A screen that fits: what blocks and what to do about it stay whole, whatever the terminal's size.

use super::status::Page;
use super::{DIM, Detail, PLAIN};
use crate::picture::Picture;

/// How far the rest of a line that did not fit is moved in: below the text, not the name.
const INDENT: &str = "          ";

/// The picture in at most so many rows and columns: long lines go on below. Of too many lines the
/// limits that nothing uses go first, then those that have not tripped, then what matters least; last
/// of all what blocks and what to do next.
pub(crate) fn fitted(picture: &Picture, rows: usize, columns: usize) -> Vec<String> {
    let page = |detail| within(Page::of(picture, detail), columns);
    let roomy = [Detail::All, Detail::Used].into_iter().map(page);
    let mut roomy = roomy.filter(|page| page.rows() <= rows);
    joined(roomy.next().unwrap_or_else(|| page(Detail::Tripped)), rows)
}

/// A page in at most so many rows: of its middle what finds room.
fn joined(mut page: Page, rows: usize) -> Vec<String> {
    if page.rows() > rows {
        let room = rows.saturating_sub(page.top.len() + page.steps.len() + 1);
        let more = page.middle.len().saturating_sub(room);
        page.middle.truncate(room);
        let said = format!("{DIM}{more} lines more: perpsctl status{PLAIN}");
        page.middle.push(said);
    }
    let mut lines = [page.top, page.middle, page.steps].concat();
    lines.truncate(rows);
    lines
}

fn within(page: Page, columns: usize) -> Page {
    let wrap = |lines: Vec<String>| -> Vec<String> {
        lines
            .iter()
            .flat_map(|line| wrapped(line, columns))
            .collect()
    };
    Page {
        top: wrap(page.top),
        middle: wrap(page.middle),
        steps: wrap(page.steps),
    }
}

impl Page {
    fn rows(&self) -> usize {
        self.top.len() + self.middle.len() + self.steps.len()
    }
}

/// A line as rows of at most so many columns, broken where it has a wide gap, else between words,
/// else anywhere. Colours take no column.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    let cells = cells(line);
    let mut rows = Vec::new();
    let (mut from, mut colour) = (0, String::new());
    loop {
        let indent = if from == 0 { "" } else { INDENT };
        let room = columns.saturating_sub(indent.len()).max(1);
        let rest = cells.get(from..).unwrap_or_default();
        let len = row_len(rest, room);
        let mut row = format!("{indent}{colour}");
        for cell in rest.get(..len).unwrap_or_default() {
            row.push_str(&cell.before);
            row.extend(cell.shown);
            colour_after(&mut colour, &cell.before);
        }
        if !colour.is_empty() {
            row.push_str(PLAIN);
        }
        rows.push(row);
        // The gap is left out, but not the colours that change in it.
        let gap = rest.iter().skip(len);
        let gap: Vec<&Cell> = gap.take_while(|cell| cell.shown == Some(' ')).collect();
        for cell in &gap {
            colour_after(&mut colour, &cell.before);
        }
        from += len + gap.len();
        if from >= cells.len() {
            return rows;
        }
    }
}

/// A column of a line, and the colours that change before it; without a column at the line's end.
#[derive(Default)]
struct Cell {
    before: String,
    shown: Option<char>,
}

fn cells(line: &str) -> Vec<Cell> {
    let mut cells = Vec::new();
    let (mut before, mut in_colour) = (String::new(), false);
    for c in line.chars() {
        in_colour |= c == '\x1b';
        if in_colour {
            before.push(c);
            in_colour = c != 'm';
        } else {
            cells.push(Cell {
                before: std::mem::take(&mut before),
                shown: Some(c),
            });
        }
    }
    if !before.is_empty() {
        cells.push(Cell {
            before,
            shown: None,
        });
    }
    cells
}

/// How many of these columns stand in one row.
fn row_len(rest: &[Cell], room: usize) -> usize {
    let columns = rest.iter().filter(|cell| cell.shown.is_some()).count();
    if columns <= room {
        return rest.len();
    }
    let blank = |n: usize| rest.get(n).is_some_and(|cell| cell.shown == Some(' '));
    let text = (0..room).find(|n| !blank(*n)).unwrap_or(room);
    let gap = |n: &usize| blank(*n) && !blank(*n - 1);
    let wide = (room / 2..=room)
        .rev()
        .find(|n| *n > text && gap(n) && blank(n + 1));
    wide.or_else(|| (text + 1..=room).rev().find(gap))
        .unwrap_or(room)
}

fn colour_after(colour: &mut String, change: &str) {
    match change.rfind(PLAIN) {
        Some(at) => change[at + PLAIN.len()..].clone_into(colour),
        None => colour.push_str(change),
    }
}

/// A line of at most so many columns; colours take none.
pub(crate) fn cut(line: &str, columns: usize) -> String {
    let mut shown = String::new();
    let mut taken = 0;
    for cell in cells(line) {
        shown.push_str(&cell.before);
        shown.extend(cell.shown.filter(|_| taken < columns));
        taken += usize::from(cell.shown.is_some());
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

    #[test]
    fn a_long_line_goes_on_below() {
        for (line, rows) in [
            ("", vec![""]),
            ("blocked   by nobody", vec!["blocked   by nobody"]),
            (
                "blocked   by somebody who is not here",
                vec![
                    "blocked   by somebody",
                    "          who is not",
                    "          here",
                ],
            ),
            // A wide gap keeps together what belongs together.
            (
                "equity    10 USDT   peak 2 of 3",
                vec!["equity    10 USDT", "          peak 2 of 3"],
            ),
            (
                "  0123456789012345678901234",
                vec!["  01234567890123456789", "          01234"],
            ),
        ] {
            assert_eq!(wrapped(line, 22), rows, "{line}");
        }
    }

    #[test]
    fn each_row_ends_its_colours_and_the_next_begins_them_again() {
        let line = format!("wide as {RED}very long{PLAIN} line");
        let rows = [
            format!("wide as {RED}very{PLAIN}"),
            format!("{INDENT}{RED}long{PLAIN}"),
            format!("{INDENT}line"),
        ];
        assert_eq!(wrapped(&line, 15), rows);
    }

    #[test]
    fn what_blocks_and_what_to_do_outlive_what_stands_between() {
        let lines = |name: &str, n: usize| (0..n).map(|n| format!("{name} {n}")).collect();
        let page = |middle| Page {
            top: lines("top", 3),
            middle: lines("middle", middle),
            steps: lines("step", 2),
        };
        assert_eq!(joined(page(5), 10).len(), 10);
        let short = joined(page(6), 10);
        assert_eq!(short.len(), 10);
        assert_eq!(
            (short[2].as_str(), short[6].as_str()),
            ("top 2", "middle 3")
        );
        assert!(short[7].contains("2 lines more"), "{short:?}");
        assert_eq!(short[8..], ["step 0", "step 1"]);
        assert_eq!(joined(page(6), 4).len(), 4);
    }
}
