//! The wallet.

use serde_json::json;

use super::answer::Answer;
use super::app::Call;
use crate::matching::{AccountKind, parameter};
use crate::rows::{coin_row, wallet_row};

pub(crate) fn wallet(call: &mut Call<'_>) -> Answer {
    let asked = call
        .params
        .word("accountType", AccountKind::named)?
        .ok_or_else(|| parameter("accountType missing"))?;
    let kind = call.sim.venue.account();
    if asked != kind {
        return Err(parameter(format!(
            "accountType {} is not this account's: {}",
            asked.word(),
            kind.word()
        )));
    }
    let wallet = call.sim.venue.wallet();
    let coins = match call.params.get("coin") {
        Some(coins) if !coins.split(',').any(|coin| coin == "USDT") => Vec::new(),
        Some(_) | None => vec![coin_row(kind, &wallet)],
    };
    Ok(json!({"list": [wallet_row(kind, &wallet, &coins)]}))
}
