//! One request's way in and its answer's way out.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use tokio::net::TcpListener;

use super::answer::{envelope, json_response, page, refused};
use super::app::Call;
use super::endpoint::Endpoint;
use super::limits::{Allowance, BAN_MS};
use super::listener::{CuttableListener, Peer};
use super::params::Params;
use super::{App, auth};
use crate::dialect::Dialect;
use crate::faults::{Fault, FaultKind};
use crate::matching::{Book, Moment};
use crate::{admin, clock, streams};

/// How long an answer that never comes is held, unless the fault says otherwise.
const HOLD_MS: i64 = 30_000;

/// Serves the exchange on a listener until the task is dropped.
pub async fn serve(listener: TcpListener, app: Arc<App>) -> io::Result<()> {
    let router = admin::routes()
        .merge(streams::routes())
        .fallback(venue)
        .with_state(app);
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(CuttableListener(listener), service).await
}

/// A request as it arrived.
struct Arrived {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    received: Moment,
}

async fn venue(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let wall = clock::wall();
    let (fault, skew_ms) = {
        let mut shared = app.shared();
        if shared.limits.banned(peer.address.ip(), wall.ms()) {
            return forbidden();
        }
        (shared.sim.faults.strike(uri.path()), shared.sim.skew_ms())
    };
    let arrived = Arrived {
        method,
        uri,
        headers,
        body,
        received: wall.plus_ms(skew_ms),
    };
    match fault {
        None => carry_out(&app, &arrived),
        Some(fault) => suffer(&app, &arrived, &fault, &peer).await,
    }
}

/// Carries a request out, or not, under a fault.
async fn suffer(app: &App, arrived: &Arrived, fault: &Fault, peer: &Peer) -> Response<Body> {
    let first = (fault.executed || fault.kind == FaultKind::TimeoutAfterAccept)
        .then(|| carry_out(app, arrived));
    match fault.kind {
        FaultKind::Latency => {
            wait(fault.ms.unwrap_or(0)).await;
            first.unwrap_or_else(|| carry_out(app, arrived))
        }
        FaultKind::Http500 => page(
            StatusCode::INTERNAL_SERVER_ERROR,
            "500 Internal Server Error",
        ),
        FaultKind::TimeoutAfterAccept => {
            wait(fault.ms.unwrap_or(HOLD_MS)).await;
            peer.cut();
            Response::new(Body::empty())
        }
        FaultKind::Reset => {
            peer.cut();
            Response::new(Body::empty())
        }
        FaultKind::Ban403 => {
            let quiet_ms = fault.ms.unwrap_or(BAN_MS);
            let wall = clock::wall();
            app.shared()
                .limits
                .ban(peer.address.ip(), quiet_ms, wall.ms());
            forbidden()
        }
        FaultKind::RetCode => {
            let code = fault.code.unwrap_or(10_000);
            let body = refused(code, "fault on order", arrived.received.ms());
            json_response(StatusCode::OK, &body)
        }
        FaultKind::PartialFill => first.unwrap_or_else(|| carry_out_in(app, arrived, Book::Half)),
        // Never wait for a request; see `admin`.
        FaultKind::ClockSkew
        | FaultKind::DropWs
        | FaultKind::MuteWs
        | FaultKind::WrongClosedPnl
        | FaultKind::LateClosedPnl => carry_out(app, arrived),
    }
}

fn carry_out(app: &App, arrived: &Arrived) -> Response<Body> {
    carry_out_in(app, arrived, Book::Whole)
}

fn carry_out_in(app: &App, arrived: &Arrived, book: Book) -> Response<Body> {
    let mut held = app.shared();
    let shared = &mut *held;
    let now = shared.sim.advance(clock::wall());
    let path = arrived.uri.path();
    let wanted = Dialect::of_path(path)
        .and_then(|(dialect, rest)| Some((dialect, Endpoint::of(&arrived.method, rest)?)));
    let Some((dialect, endpoint)) = wanted else {
        let message = format!("Request path not found: {} {path}", arrived.method);
        return json_response(StatusCode::NOT_FOUND, &refused(404, &message, now.ms()));
    };
    let query = arrived.uri.query().unwrap_or_default();
    let mut allowance = None;
    if endpoint.is_signed() {
        let payload = if arrived.method == Method::POST {
            String::from_utf8_lossy(&arrived.body)
        } else {
            query.into()
        };
        if let Err((code, message)) = auth::check(&arrived.headers, &payload, app.keys(), now) {
            return json_response(StatusCode::OK, &refused(code, &message, now.ms()));
        }
        allowance = shared.limits.allow(endpoint, now.ms());
        if allowance.is_some_and(|allowance| allowance.exceeded) {
            let message = "Too many visits. Exceeded the API Rate Limit.";
            let response = json_response(StatusCode::OK, &refused(10_006, message, now.ms()));
            return with_allowance(response, allowance);
        }
    }
    shared.limits.count(endpoint);
    let params = if arrived.method == Method::POST {
        Params::from_body(&arrived.body)
    } else {
        Params::from_query(query)
    };
    shared.sim.venue.show_takers(book);
    let answer = params.and_then(|params| {
        endpoint.answer(&mut Call {
            sim: &mut shared.sim,
            dialect,
            params,
            now,
            received: arrived.received,
        })
    });
    shared.sim.venue.show_takers(Book::Whole);
    with_allowance(
        json_response(StatusCode::OK, &envelope(&answer, now.ms())),
        allowance,
    )
}

fn with_allowance(mut response: Response<Body>, allowance: Option<Allowance>) -> Response<Body> {
    if let Some(allowance) = allowance {
        let reset = u64::try_from(allowance.reset_ms).unwrap_or_default();
        let rows = [
            ("x-bapi-limit", allowance.limit as u64),
            ("x-bapi-limit-status", allowance.left as u64),
            ("x-bapi-limit-reset-timestamp", reset),
        ];
        for (name, number) in rows {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), HeaderValue::from(number));
        }
    }
    response
}

fn forbidden() -> Response<Body> {
    page(StatusCode::FORBIDDEN, "403 Forbidden: access too frequent")
}

async fn wait(ms: i64) {
    let ms = u64::try_from(ms).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(ms)).await;
}
