//! The wallet.

use money::Decimal;
use serde_json::{Value, json};

use super::text;
use crate::matching::{AccountKind, Wallet};

/// The account with all its coins, as a call or a stream has it.
pub(crate) fn wallet_row(kind: AccountKind, wallet: &Wallet, coins: &[Value]) -> Value {
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
        "coin": coins,
    })
}

/// The settle coin.
pub(crate) fn coin_row(kind: AccountKind, wallet: &Wallet) -> Value {
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
