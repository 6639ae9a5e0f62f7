//! What comes from outside the market: money moved, positions set from nowhere, funding charged.

use money::Decimal;

use super::{
    Event, ExecKind, Execution, Funding, MarketId, Moment, Placement, Position, Refusal, Side,
    Transfer, Venue, parameter,
};

/// Most that one transfer may move, in settle coin: keeps all sums far from overflow.
const MAX_TRANSFER: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// Highest funding rate either way: 5 %.
const MAX_FUNDING_RATE: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

impl Venue {
    /// Moves money in, or out where negative.
    pub fn transfer(&mut self, amount: Decimal, now: Moment) -> Result<(), Refusal> {
        if amount.abs() > MAX_TRANSFER || (self.balance + amount).abs() > MAX_TRANSFER {
            return Err(parameter(format!(
                "amount {amount} is beyond {MAX_TRANSFER}"
            )));
        }
        self.balance += amount;
        self.transfers.push(Transfer {
            amount,
            balance: self.balance,
            at: now,
        });
        self.tell(Event::Wallet);
        self.mark_equity(now);
        self.liquidate_if_due(now);
        Ok(())
    }

    /// Sets a position from nowhere, in place of any that is in its slot: no order, no execution, no
    /// fee. Size zero takes it away. Slot 0 is the one-way position; 1 is the long and 2 the short
    /// leg of hedge mode.
    pub fn place_position(
        &mut self,
        market: MarketId,
        position_idx: u8,
        (side, size, average): (Side, Decimal, Decimal),
        now: Moment,
    ) -> Result<(), Refusal> {
        let instrument = &self.market(market).instrument;
        if size.is_sign_negative() || size > instrument.max_qty || !instrument.on_lot(size) {
            return Err(parameter(format!("size {size} invalid")));
        }
        if average <= Decimal::ZERO || average > instrument.max_price {
            return Err(parameter(format!("avgPrice {average} invalid")));
        }
        if !matches!(
            (position_idx, side),
            (0, _) | (1, Side::Buy) | (2, Side::Sell)
        ) {
            return Err(parameter(format!(
                "positionIdx {position_idx} invalid: 0, or 1 for Buy, or 2 for Sell"
            )));
        }
        if position_idx == 0 {
            self.drop_brackets(market, now);
        }
        let slots = &mut self.markets[market.0];
        let position = match position_idx {
            0 => &mut slots.position,
            1 => &mut slots.legs[0],
            _ => &mut slots.legs[1],
        };
        *position = Position {
            side,
            size,
            entry_value: size * average,
            realised: position.realised,
            ..Position::flat(now)
        };
        self.placements.push(Placement {
            market,
            position_idx,
            side,
            size,
            average,
            at: now,
        });
        self.tell(Event::Position(market));
        self.settle_reducers(market, None, now);
        self.mark_equity(now);
        self.liquidate_if_due(now);
        Ok(())
    }

    /// Charges funding on every position of an instrument, at its mark price. At a positive rate
    /// longs pay and shorts receive.
    pub fn charge_funding(
        &mut self,
        id: MarketId,
        rate: Decimal,
        now: Moment,
    ) -> Result<(), Refusal> {
        if rate.abs() > MAX_FUNDING_RATE {
            return Err(parameter(format!(
                "rate {rate} is beyond {MAX_FUNDING_RATE}"
            )));
        }
        self.markets[id.0].funding_rate = rate;
        let market = self.market(id);
        let mark = market.quote.mark;
        let held: Vec<(u8, Side, Decimal)> = market
            .positions()
            .map(|(idx, position)| (idx, position.side, position.size))
            .collect();
        for (position_idx, side, size) in held {
            let value = (size * mark * rate).round_dp(8);
            let fee = match side {
                Side::Buy => value,
                Side::Sell => -value,
            };
            self.balance -= fee;
            let execution = Execution {
                id: self.ids.next(),
                kind: ExecKind::Funding,
                order: None,
                order_id: self.ids.next(),
                market: id,
                side,
                price: mark,
                qty: size,
                fee,
                fee_rate: rate,
                is_maker: false,
                closed: Decimal::ZERO,
                leaves: Decimal::ZERO,
                mark,
                at: now,
            };
            self.funding.push(Funding {
                execution: self.executions.len(),
                position_idx,
                rate,
                balance: self.balance,
            });
            self.tell(Event::Execution(self.executions.len()));
            self.tell(Event::Wallet);
            self.executions.push(execution);
        }
        self.mark_equity(now);
        self.liquidate_if_due(now);
        Ok(())
    }
}
