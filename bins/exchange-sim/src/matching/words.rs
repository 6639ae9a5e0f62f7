//! The venue's own words for orders, as they stand on its wire.

/// Gives an enum its wire words, both ways.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$each])* $variant),+
        }

        impl $name {
            /// The word on the wire.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// The value of that word; `None` for any other.
            pub fn named(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// Which side of the book an order is on.
    Side {
        /// Buys; a position of this side is long.
        Buy = "Buy",
        /// Sells; a position of this side is short.
        Sell = "Sell",
    }
}

words! {
    /// Market or limit.
    OrderType {
        /// At the best prices there are, within the venue's band.
        Market = "Market",
        /// At the given price or better.
        Limit = "Limit",
    }
}

words! {
    /// How long an order lives.
    TimeInForce {
        /// Until cancelled.
        Gtc = "GTC",
        /// What fills at once; the rest is cancelled.
        Ioc = "IOC",
        /// All at once or nothing.
        Fok = "FOK",
        /// Only as a maker.
        PostOnly = "PostOnly",
    }
}

words! {
    /// Where an order stands.
    Status {
        /// Resting in the book.
        New = "New",
        /// Filled in part, the rest rests.
        PartiallyFilled = "PartiallyFilled",
        /// Filled.
        Filled = "Filled",
        /// Cancelled; may have filled in part.
        Cancelled = "Cancelled",
        /// Refused after it was accepted (a conditional order that fired without margin).
        Rejected = "Rejected",
        /// A conditional order that waits for its price.
        Untriggered = "Untriggered",
        /// A conditional order that has just fired.
        Triggered = "Triggered",
        /// A conditional order cancelled before it fired.
        Deactivated = "Deactivated",
    }
}

words! {
    /// What makes a conditional order conditional.
    StopKind {
        /// Asked for with a trigger price.
        Stop = "Stop",
        /// Made by the venue for a position's take profit.
        TakeProfit = "TakeProfit",
        /// Made by the venue for a position's stop loss.
        StopLoss = "StopLoss",
    }
}

words! {
    /// Which price a trigger watches.
    TriggerBy {
        /// The last trade.
        Last = "LastPrice",
        /// The mark price.
        Mark = "MarkPrice",
        /// The index price.
        Index = "IndexPrice",
    }
}

words! {
    /// What an execution is of.
    ExecKind {
        /// A trade.
        Trade = "Trade",
        /// A funding fee; no order, no quantity moves.
        Funding = "Funding",
        /// The venue took over a position that the account could no longer carry.
        Bust = "BustTrade",
        /// The venue took a position for another account's sake (auto-deleveraging).
        Adl = "AdlTrade",
    }
}

words! {
    /// Which of the venue's account types the one account is.
    AccountKind {
        /// The trading account; account-wide fields are filled.
        Unified = "UNIFIED",
        /// The classic derivatives wallet; account-wide fields are empty strings.
        Classic = "CONTRACT",
    }
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

impl Status {
    /// Whether nothing more can happen to an order in this status.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Filled | Self::Cancelled | Self::Rejected | Self::Deactivated => true,
            Self::New | Self::PartiallyFilled | Self::Untriggered | Self::Triggered => false,
        }
    }
}
