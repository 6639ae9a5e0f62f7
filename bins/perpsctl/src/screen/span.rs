//! Spans of time as a person says them.

/// `0.8 s`, `42 s`, `12m`, `1h42m`, `3d04h`.
pub(crate) fn span(ms: u64) -> String {
    let (seconds, minutes, hours, days) =
        (ms / 1_000, ms / 60_000, ms / 3_600_000, ms / 86_400_000);
    if ms < 10_000 {
        format!("{}.{} s", seconds, ms % 1_000 / 100)
    } else if minutes == 0 {
        format!("{seconds} s")
    } else if hours == 0 {
        format!("{minutes}m{:02}s", seconds % 60)
    } else if days == 0 {
        format!("{hours}h{:02}m", minutes % 60)
    } else {
        format!("{days}d{:02}h", hours % 24)
    }
}

#[cfg(test)]
mod tests {
    use super::span;

    #[test]
    fn spans() {
        for (ms, expected) in [
            (0, "0.0 s"),
            (840, "0.8 s"),
            (42_500, "42 s"),
            (720_000, "12m00s"),
            (6_120_000, "1h42m"),
            (273_600_000, "3d04h"),
        ] {
            assert_eq!(span(ms), expected);
        }
    }
}
