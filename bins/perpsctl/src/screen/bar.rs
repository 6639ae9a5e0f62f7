//! How full a limit is, at a glance.

use money::{Decimal, Ratio};

/// `[######----]`: ten places, full from 1 on.
pub(crate) fn bar(fraction: Ratio) -> String {
    let tenths = fraction
        .get()
        .checked_mul(Decimal::TEN)
        .unwrap_or(Decimal::TEN);
    let filled = (0..10)
        .filter(|place| tenths > Decimal::from(*place))
        .count();
    format!(
        "[{}{}]",
        "#".repeat(filled),
        "-".repeat(10_usize.saturating_sub(filled))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars() {
        for (fraction, expected) in [
            ("0", "[----------]"),
            ("-0.3", "[----------]"),
            ("0.01", "[#---------]"),
            ("0.62", "[#######---]"),
            ("1", "[##########]"),
            ("7", "[##########]"),
        ] {
            assert_eq!(bar(Ratio::parse(fraction).unwrap()), expected, "{fraction}");
        }
    }
}
