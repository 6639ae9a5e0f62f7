//! Signatures as the venue wants them (V3 documentation, integration guidance): lower-case hex of
//! HMAC-SHA256 under the API secret.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The signature of one REST call, over `timestamp + key + receive window + payload`. The payload
/// is the query string (GET) or the body (POST), byte for byte as it is sent.
pub fn rest_signature(
    secret: &str,
    timestamp_ms: i64,
    api_key: &str,
    recv_window_ms: u32,
    payload: &str,
) -> String {
    sign(
        secret,
        &format!("{timestamp_ms}{api_key}{recv_window_ms}{payload}"),
    )
}

/// The signature of a WebSocket `auth`, over `GET/realtime` and the moment it expires.
pub fn websocket_signature(secret: &str, expires_ms: i64) -> String {
    sign(secret, &format!("GET/realtime{expires_ms}"))
}

/// The signature of any text; what a server recomputes over the bytes that arrived.
pub fn sign(secret: &str, message: &str) -> String {
    // HMAC takes a key of any length, so this never fails; an empty signature would be refused.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(message.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Expected values: `printf %s MESSAGE | openssl dgst -sha256 -hmac sim-secret`.

    #[test]
    fn get_signs_the_query() {
        let query = "category=linear&symbol=BTCUSDT";
        assert_eq!(
            rest_signature("sim-secret", 1_690_180_896_378, "sim-key", 5000, query),
            "f8c8735899c27817b51871899ec01a35da64a1e10d9cc73a555f01106af9c8ff"
        );
    }

    #[test]
    fn post_signs_the_body() {
        let body = r#"{"category":"linear","symbol":"BTCUSDT"}"#;
        assert_eq!(
            rest_signature("sim-secret", 1_690_180_896_378, "sim-key", 5000, body),
            "9941b60c30eb49905c5fae930ee01ff0df31419dd45342786bacea45875ae418"
        );
    }

    #[test]
    fn websocket_signs_the_expiry() {
        assert_eq!(
            websocket_signature("sim-secret", 1_690_180_906_378),
            "90287dc2348095ef266eaa8ebc587523b451d82b0d79c80826d2aefc4ee13d61"
        );
    }
}
