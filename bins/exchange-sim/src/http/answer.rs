//! The envelope around every answer.

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use serde_json::{Value, json};

use crate::matching::Refusal;

/// What an answering function gives: the `result`, or a refusal.
pub(crate) type Answer = Result<Value, Refusal>;

/// The envelope of an answer, at the venue's time.
pub(crate) fn envelope(answer: &Answer, now_ms: i64) -> Value {
    match answer {
        Ok(result) => json!({
            "retCode": 0,
            "retMsg": "OK",
            "result": result,
            "retExtInfo": {},
            "time": now_ms,
        }),
        Err(refusal) => refused(refusal.code(), &refusal.to_string(), now_ms),
    }
}

/// The envelope of a refusal. The HTTP status stays 200, as the venue's does.
pub(crate) fn refused(code: i64, message: &str, now_ms: i64) -> Value {
    json!({
        "retCode": code,
        "retMsg": message,
        "result": {},
        "retExtInfo": {},
        "time": now_ms,
    })
}

/// An HTTP answer with a JSON body.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    with_type(status, "application/json; charset=utf-8", body.to_string())
}

/// An HTTP answer that is not JSON, as a proxy in front of the venue would give it.
pub(crate) fn page(status: StatusCode, text: &str) -> Response<Body> {
    let body = format!("<html><head><title>{text}</title></head><body>{text}</body></html>\n");
    with_type(status, "text/html", body)
}

fn with_type(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = axum::http::HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
