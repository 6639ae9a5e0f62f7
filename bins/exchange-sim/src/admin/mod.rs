//! The admin interface under `/sim/`: JSON, no signature, no limits. The README documents it.
//!
//! What this room is for: bringing the venue into a situation, and reading everything it ever
//! accepted. What it does not do: anything a real venue would do by itself.

mod ledger;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use money::{Amount, Decimal, Price, Qty, Ratio};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock;
use crate::faults::{Fault, FaultKind};
use crate::http::App;
use crate::matching::{Refusal, Side, parameter};

/// The routes under `/sim/`.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sim/health", get(health))
        .route("/sim/ledger", get(read_ledger))
        .route("/sim/price", post(price))
        .route("/sim/candles", post(candles))
        .route("/sim/position", post(position))
        .route("/sim/funding", post(funding))
        .route("/sim/adl", post(adl))
        .route("/sim/fault", post(fault))
        .route("/sim/transfer", post(transfer))
        .route("/sim/reset", post(reset))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceRequest {
    symbol: String,
    price: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CandlesRequest {
    symbol: String,
    hide_ms: Option<u32>,
    #[serde(default)]
    show_ms: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct PositionRequest {
    symbol: String,
    side: String,
    size: Value,
    avg_price: Value,
    #[serde(default)]
    position_idx: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FundingRequest {
    symbol: String,
    rate: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdlRequest {
    symbol: String,
    size: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferRequest {
    amount: Value,
}

async fn health(State(app): State<Arc<App>>) -> Response<Body> {
    let mut shared = app.shared();
    let now = shared.sim.advance(clock::wall());
    let served: serde_json::Map<String, Value> = shared
        .limits
        .served()
        .map(|(endpoint, count)| (endpoint.path().to_owned(), count.into()))
        .collect();
    let venue = &shared.sim.venue;
    done(&json!({
        "ok": true,
        "time": now.ms(),
        "clockSkewMs": shared.sim.skew_ms(),
        "orders": venue.orders().len(),
        "executions": venue.executions().len(),
        "faultsPending": shared.sim.faults.pending(),
        "streams": shared.hub.open(),
        "requests": served,
    }))
}

async fn read_ledger(State(app): State<Arc<App>>) -> Response<Body> {
    let mut shared = app.shared();
    shared.sim.advance(clock::wall());
    done(&ledger::ledger(&shared.sim.venue))
}

async fn price(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(parse(&body).and_then(|request: PriceRequest| {
        let price = request
            .price
            .as_ref()
            .map(|value| number(value, "price", Price::parse))
            .transpose()?;
        let pinned = price.map(Price::get);
        app.shared().sim.pin(&request.symbol, pinned, clock::wall())
    }))
}

async fn candles(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(parse(&body).and_then(|request: CandlesRequest| {
        let now = clock::wall().ms();
        let span = request.hide_ms.map(|hide| {
            // With nothing shown, none that is yet to come is shown either.
            let until = match request.show_ms {
                0 => i64::MAX,
                show => now - i64::from(show),
            };
            now - i64::from(hide)..until
        });
        app.shared().sim.hide_candles(&request.symbol, span)
    }))
}

async fn position(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(parse(&body).and_then(|request: PositionRequest| {
        let side =
            Side::named(&request.side).ok_or_else(|| parameter("side must be Buy or Sell"))?;
        let size = number(&request.size, "size", Qty::parse)?;
        let average = number(&request.avg_price, "avgPrice", Price::parse)?;
        let mut shared = app.shared();
        let now = shared.sim.advance(clock::wall());
        let venue = &mut shared.sim.venue;
        let id = venue.market_id(&request.symbol)?;
        let held = (side, size.get(), average.get());
        venue.place_position(id, request.position_idx, held, now)
    }))
}

async fn funding(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(parse(&body).and_then(|request: FundingRequest| {
        let rate = number(&request.rate, "rate", Ratio::parse)?;
        let mut shared = app.shared();
        let now = shared.sim.advance(clock::wall());
        let id = shared.sim.venue.market_id(&request.symbol)?;
        shared.sim.venue.charge_funding(id, rate.get(), now)
    }))
}

async fn adl(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(parse(&body).and_then(|request: AdlRequest| {
        let size = request
            .size
            .as_ref()
            .map(|value| number(value, "size", Qty::parse))
            .transpose()?;
        let mut shared = app.shared();
        let now = shared.sim.advance(clock::wall());
        let id = shared.sim.venue.market_id(&request.symbol)?;
        shared.sim.venue.deleverage(id, size.map(Qty::get), now)
    }))
}

async fn fault(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(parse(&body).map(|fault: Fault| {
        let mut shared = app.shared();
        let path = fault.path.as_deref();
        match fault.kind {
            FaultKind::DropWs => {
                let refuse_ms = fault.ms.unwrap_or(0);
                shared.hub.cut(path, refuse_ms, clock::wall().ms());
            }
            FaultKind::MuteWs => shared.hub.mute(path),
            FaultKind::ClockSkew => shared.sim.set_skew(fault.ms.unwrap_or(0)),
            FaultKind::WrongClosedPnl => {
                shared.sim.faults.closed_off = fault.amount.map_or(Decimal::ZERO, Amount::get);
            }
            FaultKind::LateClosedPnl => shared.sim.faults.closed_late_ms = fault.ms.unwrap_or(0),
            FaultKind::Latency
            | FaultKind::Http500
            | FaultKind::TimeoutAfterAccept
            | FaultKind::Reset
            | FaultKind::Ban403
            | FaultKind::RetCode
            | FaultKind::PartialFill => shared.sim.faults.add(fault),
        }
    }))
}

async fn transfer(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(parse(&body).and_then(|request: TransferRequest| {
        let amount = number(&request.amount, "amount", Amount::parse)?;
        let mut shared = app.shared();
        let now = shared.sim.advance(clock::wall());
        shared.sim.venue.transfer(amount.get(), now)
    }))
}

async fn reset(State(app): State<Arc<App>>) -> Response<Body> {
    let mut shared = app.shared();
    shared.sim.reset(clock::wall());
    shared.limits.reset();
    done(&json!({"ok": true}))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| parameter(error.to_string()))
}

/// A number given as a string or as a bare JSON number.
fn number<T>(
    value: &Value,
    name: &str,
    parse: impl Fn(&str) -> Result<T, money::MoneyError>,
) -> Result<T, Refusal> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(parameter(format!("{name} must be a number")));
        }
    };
    parse(&text).map_err(|error| parameter(format!("{name}: {error}")))
}

fn answer(outcome: Result<(), Refusal>) -> Response<Body> {
    match outcome {
        Ok(()) => done(&json!({"ok": true})),
        Err(refusal) => respond(
            StatusCode::BAD_REQUEST,
            &json!({"ok": false, "error": refusal.to_string()}),
        ),
    }
}

fn done(body: &Value) -> Response<Body> {
    respond(StatusCode::OK, body)
}

fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    crate::http::json_response(status, body)
}
