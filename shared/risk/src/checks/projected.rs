//! What would come of the order: exposure, margin, the session's slots, with everything that rests
//! or is reserved counted in.

use money::{Amount, MoneyError, Notional, Price, Ratio};
use protocol::{ApprovalId, Context, Denial, Intent, Symbol, Tag};

use super::denial;
use crate::Engine;

impl Engine {
    /// Whether the outcome would be within the limits.
    pub(super) fn outcome_is_within_limits(
        &self,
        intent: &Intent,
        without: Option<ApprovalId>,
    ) -> Result<(), Denial> {
        self.exposure_is_within_limits(intent, without)?;
        self.margin_is_within_limits(intent, without)?;
        self.session_has_a_slot(without)
    }

    fn exposure_is_within_limits(
        &self,
        intent: &Intent,
        without: Option<ApprovalId>,
    ) -> Result<(), Denial> {
        let limits = &self.state.limits;
        if limits.max_position_notional.is_none() && limits.max_gross_exposure.is_none() {
            return Ok(());
        }
        let failed = |e: MoneyError| denial(Tag::Exposure, e.to_string());
        let price = self.price_of(intent)?;
        let order = price.times(intent.qty).map_err(failed)?;
        let position = self
            .exposure(intent.symbol, intent.side, price, without)
            .map_err(failed)?;
        let position = position.plus(order).map_err(failed)?;
        if let Some(most) = limits.max_position_notional.filter(|most| position > *most) {
            let message = format!(
                "{} would be worth {position} with what rests and is reserved, more than perps.maxPositionNotional {most}",
                intent.symbol
            );
            return Err(denial(Tag::Exposure, message));
        }
        if let Some(most) = limits.max_gross_exposure {
            let others = self.others_exposure(intent.symbol)?;
            let gross = position.plus(others).map_err(failed)?;
            if gross > most {
                let message = format!(
                    "gross exposure would be {gross}, more than perps.maxGrossExposure {most}"
                );
                return Err(denial(Tag::Exposure, message));
            }
        }
        Ok(())
    }

    /// What all other symbols could be worth at most.
    fn others_exposure(&self, except: Symbol) -> Result<Notional, Denial> {
        use protocol::Side;
        let book = &self.state.book;
        let mut symbols: Vec<Symbol> = book.positions.keys().copied().collect();
        symbols.extend(book.venue_positions.keys().copied());
        symbols.extend(
            self.state
                .reservations
                .values()
                .map(|r| r.approval.intent.symbol),
        );
        symbols.sort();
        symbols.dedup();
        let mut sum = Notional::ZERO;
        for symbol in symbols.into_iter().filter(|symbol| *symbol != except) {
            let Some(mark) = book.marks.get(&symbol) else {
                return Err(denial(
                    Tag::Exposure,
                    format!("no mark price to value {symbol} by"),
                ));
            };
            for side in [Side::Buy, Side::Sell] {
                let worth = self.exposure(symbol, side, mark.price, None);
                sum = worth
                    .and_then(|worth| sum.plus(worth))
                    .map_err(|e| denial(Tag::Exposure, e.to_string()))?;
            }
        }
        Ok(sum)
    }

    fn margin_is_within_limits(
        &self,
        intent: &Intent,
        without: Option<ApprovalId>,
    ) -> Result<(), Denial> {
        let most = self.state.limits.max_margin_ratio;
        let unknown = || {
            denial(
                Tag::MarginBlock,
                "the margin ratio is unknown, which counts as too high",
            )
        };
        let mut more = self.margin_of(intent)?;
        if let Some(own) = without.and_then(|id| self.state.wallet.margin_not_seen.get(&id)) {
            more = more.minus(own.margin).unwrap_or(more).max(Amount::ZERO);
        }
        let ratio = self.margin_ratio(more).ok_or_else(unknown)?;
        if ratio > most {
            let message = format!(
                "the margin ratio would be {}, more than {} (perps.maxMarginRatio)",
                ratio.percent(),
                most.percent()
            );
            let context = Context::new().with("ratio", ratio).with("limit", most);
            return Err(Denial {
                tag: Tag::MarginBlock,
                message,
                context,
            });
        }
        Ok(())
    }

    /// Initial margin of an order. A leverage that nobody has told counts as one: the whole value.
    pub(crate) fn margin_of(&self, intent: &Intent) -> Result<Amount, Denial> {
        let price: Price = self.price_of(intent)?;
        let leverage = self
            .state
            .book
            .leverage
            .get(&intent.symbol)
            .copied()
            .unwrap_or(Ratio::ONE);
        price
            .times(intent.qty)
            .and_then(|worth| worth.over_leverage(leverage))
            .map_err(|e| denial(Tag::MarginBlock, e.to_string()))
    }

    /// The trip stands once all slots are used; this holds the one order that would use one more.
    fn session_has_a_slot(&self, without: Option<ApprovalId>) -> Result<(), Denial> {
        let Some(most) = self
            .state
            .limits
            .session_max_trades
            .filter(|_| without.is_none())
        else {
            return Ok(());
        };
        let used = self
            .state
            .session
            .trades
            .saturating_add(self.live_openers());
        if used >= most {
            let message =
                format!("{used} of {most} trades of the session are used (perps.sessionMaxTrades)");
            return Err(denial(Tag::SessionTrades, message));
        }
        Ok(())
    }
}
