//! Which calls there are.

use axum::http::Method;

use super::answer::Answer;
use super::app::Call;
use super::{account, market, orders, positions, stops, trades};

/// Gives the endpoints their method, path, access and answering function.
macro_rules! endpoints {
    ($($name:ident $method:ident $path:literal $access:ident $answer:path,)+) => {
        /// One call of the venue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum Endpoint {
            $($name),+
        }

        impl Endpoint {
            /// The call of a method and a path after the prefix.
            pub(crate) fn of(method: &Method, path: &str) -> Option<Self> {
                $(if *method == Method::$method && path == $path {
                    return Some(Self::$name);
                })+
                None
            }

            /// Its path after the prefix.
            pub(crate) const fn path(self) -> &'static str {
                match self {
                    $(Self::$name => $path),+
                }
            }

            /// Whether it needs a signature.
            pub(crate) const fn is_signed(self) -> bool {
                match self {
                    $(Self::$name => matches!(Access::$access, Access::Signed)),+
                }
            }

            /// Carries a request out.
            pub(crate) fn answer(self, call: &mut Call<'_>) -> Answer {
                match self {
                    $(Self::$name => $answer(call)),+
                }
            }
        }
    };
}

enum Access {
    Open,
    Signed,
}

endpoints! {
    Time GET "/market/time" Open market::time,
    Instruments GET "/market/instruments-info" Open market::instruments,
    Tickers GET "/market/tickers" Open market::tickers,
    Klines GET "/market/kline" Open market::klines,
    OrderBook GET "/market/orderbook" Open market::order_book,
    RecentTrades GET "/market/recent-trade" Open market::recent_trades,
    CreateOrder POST "/order/create" Signed orders::create,
    AmendOrder POST "/order/amend" Signed orders::amend,
    CancelOrder POST "/order/cancel" Signed orders::cancel,
    CancelAll POST "/order/cancel-all" Signed orders::cancel_all,
    OpenOrders GET "/order/realtime" Signed trades::open_orders,
    OrderHistory GET "/order/history" Signed trades::order_history,
    Executions GET "/execution/list" Signed trades::executions,
    Positions GET "/position/list" Signed positions::list,
    ClosedPnl GET "/position/closed-pnl" Signed trades::closed_pnl,
    SetLeverage POST "/position/set-leverage" Signed positions::set_leverage,
    TradingStop POST "/position/trading-stop" Signed stops::trading_stop,
    Wallet GET "/account/wallet-balance" Signed account::wallet,
}
