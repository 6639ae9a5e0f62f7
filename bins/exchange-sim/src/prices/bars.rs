//! Bars from a CSV file (`timestamp,open,high,low,close,volume`), replayed second by second.
//!
//! Each row is taken as one market minute, in the file's order; its time stamp is checked for
//! presence only, because the replay runs on wall time. After the last row the file begins again.

use std::path::Path;

use money::{Decimal, Price, Qty};
use thiserror::Error;

/// One bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Base coin traded.
    pub volume: Decimal,
}

/// Why a file of bars was refused.
#[derive(Debug, Error)]
pub enum BarsError {
    /// The file could not be read.
    #[error("cannot read the bars in {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not a bar.
    #[error("{path}:{line}: {what}; expected timestamp,open,high,low,close,volume")]
    Line {
        /// The file.
        path: String,
        /// Line number, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// There is nothing to replay.
    #[error("{path} holds no bars; give a file with at least one row")]
    Empty {
        /// The file.
        path: String,
    },
}

/// Seconds from the open to the first extreme of a bar, and from there to the second.
const LEG: u32 = 20;

impl Bar {
    /// The price at one second (0 to 59) of the bar: from the open to the nearer extreme, to the
    /// other one, to the close. A rising bar goes to its low first.
    pub fn price_at(&self, second: u32) -> Decimal {
        let rising = self.close >= self.open;
        let (first, last) = if rising {
            (self.low, self.high)
        } else {
            (self.high, self.low)
        };
        if second <= LEG {
            between(self.open, first, second, LEG)
        } else if second <= 2 * LEG {
            between(first, last, second - LEG, LEG)
        } else {
            between(last, self.close, second - 2 * LEG, 59 - 2 * LEG)
        }
    }
}

/// Reads a whole file of bars. A first line that starts with a letter is a heading.
pub fn read_bars(path: &Path) -> Result<Vec<Bar>, BarsError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| BarsError::Read {
        path: shown.clone(),
        source,
    })?;
    let mut bars = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        let heading = n == 0 && line.starts_with(|c: char| c.is_alphabetic());
        if line.is_empty() || heading {
            continue;
        }
        bars.push(parse_bar(line).map_err(|what| BarsError::Line {
            path: shown.clone(),
            line: n + 1,
            what,
        })?);
    }
    if bars.is_empty() {
        return Err(BarsError::Empty { path: shown });
    }
    Ok(bars)
}

fn parse_bar(line: &str) -> Result<Bar, String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [_, open, high, low, close, volume] = cells[..] else {
        return Err(format!("{} columns", cells.len()));
    };
    let price = |name: &str, cell: &str| {
        Price::parse(cell)
            .map(Price::get)
            .map_err(|error| format!("{name}: {error}"))
    };
    let bar = Bar {
        open: price("open", open)?,
        high: price("high", high)?,
        low: price("low", low)?,
        close: price("close", close)?,
        volume: Qty::parse(volume)
            .map_err(|error| format!("volume: {error}"))?
            .get(),
    };
    if bar.high < bar.open.max(bar.close) || bar.low > bar.open.min(bar.close) {
        return Err("high or low does not enclose open and close".to_owned());
    }
    if bar.high > Decimal::from(10_000_000) {
        return Err(format!("price {} is beyond 10000000", bar.high));
    }
    Ok(bar)
}

fn between(from: Decimal, to: Decimal, part: u32, whole: u32) -> Decimal {
    from + (to - from) * Decimal::from(part) / Decimal::from(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(cells: &str) -> Bar {
        parse_bar(&format!("2022-01-01,{cells}")).unwrap()
    }

    #[test]
    fn a_bar_visits_open_extremes_and_close_exactly() {
        for (cells, at) in [
            (
                "100,110,95,105,1",
                [(0, 100), (20, 95), (40, 110), (59, 105)],
            ),
            (
                "105,110,95,100,1",
                [(0, 105), (20, 110), (40, 95), (59, 100)],
            ),
        ] {
            for (second, price) in at {
                assert_eq!(
                    bar(cells).price_at(second),
                    Decimal::from(price),
                    "{cells} at {second}"
                );
            }
        }
    }

    #[test]
    fn rows_that_are_not_bars_are_refused() {
        for row in [
            "1,2,3",
            "t,100,110,95,x,1",
            "t,100,90,95,105,1",
            "t,0,1,0,1,1",
            "t,100,110,95,105,-1",
            "t,1e3,110,95,105,1",
        ] {
            assert!(parse_bar(row).is_err(), "{row}");
        }
    }
}
