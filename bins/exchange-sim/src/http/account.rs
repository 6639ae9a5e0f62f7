//! The wallet.

use money::Decimal;
use serde_json::{Value, json};

use super::answer::Answer;
use super::app::Call;
use crate::matching::{AccountKind, Wallet, parameter};

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
    let mut row = account_row(kind, &wallet);
    row["coin"] = Value::Array(coins);
    Ok(json!({"list": [row]}))
}

fn account_row(kind: AccountKind, wallet: &Wallet) -> Value {
    // A classic wallet leaves every account-wide field empty.
    let filled = |value: Decimal| match kind {
        AccountKind::Unified => text(value),
        AccountKind::Classic => String::new(),
    };
    let initial = wallet.position_margin + wallet.order_margin;
    json!({
        "accountType": kind.word(),
        "accountIMRate": filled(wallet.rate(initial)),
        "accountMMRate": filled(wallet.rate(wallet.maintenance_margin)),
        "totalEquity": filled(wallet.equity),
        "totalWalletBalance": filled(wallet.balance),
        "totalMarginBalance": filled(wallet.equity),
        "totalAvailableBalance": filled(wallet.available),
        "totalPerpUPL": filled(wallet.unrealised),
        "totalInitialMargin": filled(initial),
        "totalMaintenanceMargin": filled(wallet.maintenance_margin),
        "accountLTV": filled(Decimal::ZERO),
    })
}

fn coin_row(kind: AccountKind, wallet: &Wallet) -> Value {
    let unified = |value: String| match kind {
        AccountKind::Unified => value,
        AccountKind::Classic => String::new(),
    };
    let withdrawable = match kind {
        // Deprecated in the trading account.
        AccountKind::Unified => String::new(),
        AccountKind::Classic => text(wallet.available),
    };
    json!({
        "coin": "USDT",
        "equity": text(wallet.equity),
        "usdValue": unified(text(wallet.equity)),
        "walletBalance": text(wallet.balance),
        "borrowAmount": unified("0".to_owned()),
        "availableToBorrow": "",
        "availableToWithdraw": withdrawable,
        "accruedInterest": unified("0".to_owned()),
        "totalOrderIM": text(wallet.order_margin),
        "totalPositionIM": text(wallet.position_margin),
        "totalPositionMM": unified(text(wallet.maintenance_margin)),
        "unrealisedPnl": text(wallet.unrealised),
        "cumRealisedPnl": text(wallet.realised),
    })
}

fn text(value: Decimal) -> String {
    value.normalize().to_string()
}
