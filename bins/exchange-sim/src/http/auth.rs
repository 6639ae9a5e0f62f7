//! Signatures: over the bytes that arrived, never over something written anew.

use axum::http::HeaderMap;
use exchange::signing::sign;

use super::Keys;
use crate::matching::Moment;

const DEFAULT_WINDOW_MS: i64 = 5_000;
const MAX_WINDOW_MS: i64 = 60_000;

/// A time stamp may lie this far ahead of the venue's clock, not included.
const AHEAD_MS: i64 = 1_000;

/// Why a signed request is not believed: the wire's `retCode` and `retMsg`.
pub(crate) type Distrust = (i64, String);

/// Checks key, time stamp and signature of a request. `payload` is the raw query or body.
pub(crate) fn check(
    headers: &HeaderMap,
    payload: &str,
    keys: &Keys,
    now: Moment,
) -> Result<(), Distrust> {
    let key = need(headers, "x-bapi-api-key")?;
    if key != keys.key {
        return Err((10_003, "API key is invalid.".to_owned()));
    }
    let stamp = need(headers, "x-bapi-timestamp")?;
    let timestamp = number("X-BAPI-TIMESTAMP", stamp)?;
    let window = match text(headers, "x-bapi-recv-window") {
        Some(window) => number("X-BAPI-RECV-WINDOW", window)?.clamp(0, MAX_WINDOW_MS),
        None => DEFAULT_WINDOW_MS,
    };
    if timestamp < now.ms() - window || timestamp >= now.ms() + AHEAD_MS {
        return Err((
            10_002,
            format!(
                "invalid request, please check your server timestamp or recv_window param. \
                 req_timestamp[{timestamp}],server_timestamp[{}],recv_window[{window}]",
                now.ms()
            ),
        ));
    }
    let given = need(headers, "x-bapi-sign")?;
    // An absent window signs as nothing; a given one exactly as given.
    let signed_window = text(headers, "x-bapi-recv-window").unwrap_or_default();
    let text = format!("{stamp}{key}{signed_window}{payload}");
    if sign(&keys.secret, &text) == given {
        Ok(())
    } else {
        Err((
            10_004,
            format!("error sign! origin_string[{stamp}{key}{signed_window}...]"),
        ))
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn need<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Distrust> {
    text(headers, name).ok_or_else(|| {
        let shown = name.to_ascii_uppercase();
        (10_001, format!("params error: header {shown} missing"))
    })
}

fn number(name: &str, text: &str) -> Result<i64, Distrust> {
    text.parse().map_err(|_| {
        (
            10_001,
            format!("params error: {name} is not a whole number"),
        )
    })
}
