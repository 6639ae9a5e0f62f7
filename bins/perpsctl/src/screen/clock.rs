//! Times of day.

use protocol::VenueMs;

/// `12:03:11`, in UTC.
pub(crate) fn time_of_day(at: VenueMs) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| format!("{} ms", at.0),
        |t| t.strftime("%H:%M:%S").to_string(),
    )
}
