//! The names the guard gives: lineages, order link ids, event ids.

use protocol::{ApprovalId, OrderLinkId, VenueMs};

/// The prefix of link ids that the guard gives.
pub(crate) const GUARD_PREFIX: &str = "pg-";

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

/// The link id of an approval: `pg-<lineage>-<count>`, at most 3 + 13 + 1 + 13 characters.
pub(crate) fn link_id(lineage: &str, approval: ApprovalId) -> Option<OrderLinkId> {
    OrderLinkId::new(&format!("{GUARD_PREFIX}{lineage}-{}", base36(approval.0))).ok()
}

/// The approval that a link id of this lineage was given to.
pub(crate) fn approval_of(lineage: &str, link: &OrderLinkId) -> Option<ApprovalId> {
    let count = link
        .as_str()
        .strip_prefix(GUARD_PREFIX)?
        .strip_prefix(lineage)?
        .strip_prefix('-')?;
    u64::from_str_radix(count, 36).ok().map(ApprovalId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_ids_lead_back_to_their_approval() {
        let lineage = lineage(VenueMs(1_763_980_000_123));
        for n in [0, 1, 35, 36, 1_000_000, u64::MAX] {
            let link = link_id(&lineage, ApprovalId(n)).unwrap();
            assert_eq!(approval_of(&lineage, &link), Some(ApprovalId(n)), "{link}");
        }
        let foreign = OrderLinkId::new("pg-other-1").unwrap();
        assert_eq!(approval_of(&lineage, &foreign), None);
    }
}
