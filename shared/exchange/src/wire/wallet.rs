//! The wallet: of all its coins the settle coin's row. In a classic wallet the account's own
//! fields are empty; in a trading account they are filled.

use money::{Amount, Ratio};
use protocol::Symbol;
use protocol::venue::Wallet;
use serde::Deserialize;

use crate::number::{FieldError, Text};

/// Which wallet is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountType {
    /// Trading account.
    Unified,
    /// Classic account.
    Contract,
}

impl AccountType {
    /// The venue's word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Unified => "UNIFIED",
            Self::Contract => "CONTRACT",
        }
    }

    /// The kind of that word; `None` for kinds that trade no perpetuals.
    fn named(word: &str) -> Option<Self> {
        [Self::Unified, Self::Contract]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountRow {
    #[serde(default)]
    account_type: Text,
    #[serde(default, rename = "accountIMRate")]
    account_im_rate: Text,
    coin: Vec<CoinRow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CoinRow {
    coin: Text,
    equity: Text,
    wallet_balance: Text,
    #[serde(default, rename = "totalPositionIM")]
    total_position_im: Text,
    #[serde(default, rename = "totalOrderIM")]
    total_order_im: Text,
    #[serde(default)]
    unrealised_pnl: Text,
}

impl AccountRow {
    /// Whether it has a row of this coin.
    pub(crate) fn holds(&self, coin: Symbol) -> bool {
        self.coin
            .iter()
            .any(|row| row.coin.as_str() == coin.as_str())
    }

    /// Which kind of account it is; `None` for kinds that trade no perpetuals.
    pub(crate) fn kind(&self) -> Option<AccountType> {
        AccountType::named(self.account_type.as_str())
    }

    pub(crate) fn wallet(&self, coin: Symbol) -> Result<Wallet, FieldError> {
        let row = self
            .coin
            .iter()
            .find(|row| row.coin.as_str() == coin.as_str());
        let missing = || FieldError {
            field: "coin",
            why: format!("the wallet has no {coin}"),
        };
        let row = row.ok_or_else(missing)?;
        Ok(Wallet {
            coin,
            equity: row.equity.required::<Amount>("equity")?,
            balance: row.wallet_balance.required::<Amount>("walletBalance")?,
            position_margin: row.total_position_im.optional("totalPositionIM")?,
            order_margin: row.total_order_im.optional("totalOrderIM")?,
            account_margin_rate: self.account_im_rate.optional::<Ratio>("accountIMRate")?,
            unrealised: row.unrealised_pnl.optional("unrealisedPnl")?,
        })
    }
}
