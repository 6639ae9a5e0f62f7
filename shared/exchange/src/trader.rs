//! Everything that changes something at the venue. There is one [`Trader`], it cannot be cloned,
//! and whoever holds it answers for what is sent.

use std::sync::Arc;

use money::{Price, Ratio};
use protocol::{OrderId, Symbol};
use serde::Serialize;

use crate::answer::Answer;
use crate::call::{Call, What};
use crate::client::Shared;
use crate::error::ExchangeError;
use crate::limiter::Class;
use crate::wire::orders::{
    AmendOrder, CancelAllBody, CancelBody, CreateBody, LeverageBody, NewOrder, OrderIds, OrderName,
    StopBody,
};

/// The writing half of the client.
#[derive(Debug)]
pub struct Trader {
    shared: Arc<Shared>,
}

/// A turn at the limiter, for one order. Dropped unused, it does not count.
#[derive(Debug)]
#[must_use = "a turn is for sending"]
pub struct Slot {
    shared: Arc<Shared>,
    /// Whose caps it was taken under.
    class: Class,
    unused: bool,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.unused {
            self.shared.limiter(|limiter| limiter.give_back(self.class));
        }
    }
}

impl Trader {
    pub(crate) fn over(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Places an order, once. Reducers do not wait for the config's caps.
    pub async fn create(&self, order: &NewOrder) -> Result<OrderId, ExchangeError> {
        let class = if order.reduce_only {
            Class::Urgent
        } else {
            Class::Routine
        };
        let body = CreateBody::from(order);
        let name = "order/create";
        let answer = self.post(name, "/order/create", &body, class).await?;
        answer
            .result::<OrderIds>()?
            .order_id()
            .map_err(ExchangeError::field(name))
    }

    /// Waits for a turn at the limiter, for an order of which it is not yet known whether it may be
    /// sent: an approval must not grow old in the queue. `opens`: the config's caps bind it.
    pub async fn slot(&self, opens: bool) -> Result<Slot, ExchangeError> {
        let class = if opens { Class::Routine } else { Class::Urgent };
        self.shared.order_turn("order/create", class).await?;
        Ok(Slot {
            shared: Arc::clone(&self.shared),
            class,
            unused: true,
        })
    }

    /// Places an order, once, in a turn that was taken before.
    pub async fn create_in(&self, slot: Slot, order: &NewOrder) -> Result<OrderId, ExchangeError> {
        let name = "order/create";
        let body = CreateBody::from(order);
        let answer = self.post_in(slot, name, "/order/create", &body).await?;
        answer
            .result::<OrderIds>()?
            .order_id()
            .map_err(ExchangeError::field(name))
    }

    /// Changes a resting order, in a turn that was taken before.
    pub async fn amend_in(&self, slot: Slot, amend: &AmendOrder) -> Result<OrderId, ExchangeError> {
        let name = "order/amend";
        let answer = self.post_in(slot, name, "/order/amend", amend).await?;
        answer
            .result::<OrderIds>()?
            .order_id()
            .map_err(ExchangeError::field(name))
    }

    /// Changes a resting order.
    pub async fn amend(&self, amend: &AmendOrder) -> Result<OrderId, ExchangeError> {
        let name = "order/amend";
        let answer = self
            .post(name, "/order/amend", amend, Class::Routine)
            .await?;
        answer
            .result::<OrderIds>()?
            .order_id()
            .map_err(ExchangeError::field(name))
    }

    /// Cancels a resting order. [`ExchangeError::gone`] tells that it was gone already.
    pub async fn cancel(&self, symbol: Symbol, order: OrderName) -> Result<(), ExchangeError> {
        let (order_id, order_link_id) = match order {
            OrderName::Id(id) => (Some(id), None),
            OrderName::Link(link) => (None, Some(link)),
        };
        let body = CancelBody {
            category: "linear",
            symbol,
            order_id,
            order_link_id,
        };
        self.post("order/cancel", "/order/cancel", &body, Class::Urgent)
            .await
            .map(drop)
    }

    /// Cancels every order of a symbol, stops too: only for a symbol that is flat or going flat.
    /// The venue takes at most 500 a call; read the open orders again.
    pub async fn cancel_all(&self, symbol: Symbol) -> Result<(), ExchangeError> {
        let body = CancelAllBody {
            category: "linear",
            symbol,
        };
        self.post(
            "order/cancel-all",
            "/order/cancel-all",
            &body,
            Class::Urgent,
        )
        .await
        .map(drop)
    }

    /// Sets a symbol's leverage; "already so" is success.
    pub async fn set_leverage(&self, symbol: Symbol, leverage: Ratio) -> Result<(), ExchangeError> {
        let text = leverage.to_string();
        let body = LeverageBody {
            category: "linear",
            symbol,
            buy_leverage: text.clone(),
            sell_leverage: text,
        };
        self.post(
            "position/set-leverage",
            "/position/set-leverage",
            &body,
            Class::Routine,
        )
        .await
        .map(drop)
    }

    /// Removes take profit and stop loss of a position (the last step of flattening).
    pub async fn clear_stops(&self, symbol: Symbol) -> Result<(), ExchangeError> {
        let zero = || Some("0".to_owned());
        self.stops(symbol, zero(), zero()).await
    }

    /// Sets take profit and stop loss of a position; absent ones stay as they are.
    pub async fn set_stops(
        &self,
        symbol: Symbol,
        take_profit: Option<Price>,
        stop_loss: Option<Price>,
    ) -> Result<(), ExchangeError> {
        let text = |price: Option<Price>| price.map(|price| price.to_string());
        self.stops(symbol, text(take_profit), text(stop_loss)).await
    }

    async fn stops(
        &self,
        symbol: Symbol,
        take_profit: Option<String>,
        stop_loss: Option<String>,
    ) -> Result<(), ExchangeError> {
        let body = StopBody {
            category: "linear",
            symbol,
            position_idx: 0,
            tpsl_mode: "Full",
            take_profit,
            stop_loss,
        };
        self.post(
            "position/trading-stop",
            "/position/trading-stop",
            &body,
            Class::Urgent,
        )
        .await
        .map(drop)
    }

    async fn post_in(
        &self,
        mut slot: Slot,
        name: &'static str,
        path: &'static str,
        body: &impl Serialize,
    ) -> Result<Answer, ExchangeError> {
        let text = as_json(name, body)?;
        slot.unused = false;
        self.shared
            .send_now(&Call {
                name,
                path,
                what: What::Post(&text),
                class: slot.class,
            })
            .await
    }

    async fn post(
        &self,
        name: &'static str,
        path: &'static str,
        body: &impl Serialize,
        class: Class,
    ) -> Result<Answer, ExchangeError> {
        let text = as_json(name, body)?;
        self.shared
            .send(&Call {
                name,
                path,
                what: What::Post(&text),
                class,
            })
            .await
    }
}

fn as_json(call: &'static str, body: &impl Serialize) -> Result<String, ExchangeError> {
    serde_json::to_string(body).map_err(|e| ExchangeError::NotSent {
        call,
        why: e.to_string(),
    })
}
