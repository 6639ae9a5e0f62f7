//! The names the guard gives: lineages and event ids. Link ids are derived from intents:
//! [`OrderLinkId::of_intent`](protocol::OrderLinkId::of_intent).

use protocol::VenueMs;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A number in base 36, lower case.
pub(crate) fn base36(mut number: u64) -> String {
    let mut text = [b'0'; 13];
    let mut start = text.len();
    for (n, place) in text.iter_mut().enumerate().rev() {
        let digit = usize::try_from(number.checked_rem(36).unwrap_or(0)).unwrap_or(0);
        *place = DIGITS.get(digit).copied().unwrap_or(b'0');
        start = n;
        number = number.checked_div(36).unwrap_or(0);
        if number == 0 {
            break;
        }
    }
    let used = text.get(start..).unwrap_or_default();
    String::from_utf8_lossy(used).into_owned()
}

/// The lineage that begins at this moment.
pub(crate) fn lineage(at: VenueMs) -> String {
    base36(at.0.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_base_36() {
        let table = [(0, "0"), (35, "z"), (36, "10"), (u64::MAX, "3w5e11264sgsf")];
        for (number, text) in table {
            assert_eq!(base36(number), text);
        }
    }
}
