//! The rules of money arithmetic: exact, checked, and refused where a number would be invented.

use money::{Amount, Decimal, Notional, Price, Qty, Ratio, Rounding};
use proptest::prelude::*;

fn price(text: &str) -> Price {
    Price::parse(text).unwrap_or_else(|e| unreachable!("{e}"))
}
fn qty(text: &str) -> Qty {
    Qty::parse(text).unwrap_or_else(|e| unreachable!("{e}"))
}

#[test]
fn text_that_is_no_plain_decimal_is_refused() {
    for text in [
        "", " ", "1e5", "NaN", "-", "+", ".", "inf", "0x10", "1_000", "1,5", " 1", "--1",
    ] {
        assert!(
            Amount::parse(text).is_err(),
            "{text:?} must not become a number"
        );
    }
    assert!(
        Amount::parse(&"9".repeat(40)).is_err(),
        "forty digits do not fit"
    );
    assert!(
        Amount::parse(&format!("0.{}", "1".repeat(40))).is_err(),
        "digits are never dropped"
    );
}

#[test]
fn ranges_hold() {
    assert!(Price::parse("0").is_err());
    assert!(Price::parse("-1").is_err());
    assert!(Qty::parse("-0.1").is_err());
    assert!(Qty::parse("0").is_ok());
    assert!(Notional::parse("-5").is_err());
    assert!(
        qty("1").minus(qty("2")).is_err(),
        "a quantity never goes below zero"
    );
    assert_eq!(qty("1").less(qty("2")), Qty::ZERO);
}

#[test]
fn the_published_closed_pnl_row_adds_up() {
    // Exit value - entry value - fees, from the exchange's own sample of a closed trade.
    let exit = Amount::parse("3541.795").unwrap();
    let entry = Amount::parse("3584.9255").unwrap();
    let turnover = Notional::parse("7126.7205").unwrap();
    let fee = turnover.times(Ratio::parse("0.0006").unwrap()).unwrap();
    let pnl = exit.minus(entry).and_then(|p| p.minus(fee)).unwrap();
    assert_eq!(pnl, Amount::parse("-47.4065323").unwrap());
}

#[test]
fn steps_and_ticks() {
    assert_eq!(qty("0.0199").floor_to(qty("0.001")).unwrap(), qty("0.019"));
    assert_eq!(qty("0.5").floor_to(qty("1")).unwrap(), Qty::ZERO);
    assert!(qty("1").floor_to(Qty::ZERO).is_err());
    assert_eq!(
        price("100.3")
            .on_tick(price("0.5"), Rounding::Down)
            .unwrap(),
        price("100")
    );
    assert_eq!(
        price("100.3").on_tick(price("0.5"), Rounding::Up).unwrap(),
        price("100.5")
    );
    assert!(
        price("0.3").on_tick(price("0.5"), Rounding::Down).is_err(),
        "no price of zero"
    );
}

#[test]
fn division_by_zero_and_overflow_are_errors() {
    assert!(Amount::parse("1").unwrap().over(Amount::ZERO).is_err());
    let most = Amount::new(Decimal::MAX).unwrap();
    assert!(most.plus(most).is_err());
    assert!(Price::new(Decimal::MAX).unwrap().times(qty("2")).is_err());
    assert!(
        Notional::parse("1")
            .unwrap()
            .over_leverage(Ratio::ZERO)
            .is_err()
    );
}

proptest! {
    #[test]
    fn json_carries_every_digit(mantissa in any::<i64>(), scale in 0u32..18) {
        let amount = Amount::new(Decimal::new(mantissa, scale)).unwrap();
        let json = serde_json::to_string(&amount).unwrap();
        prop_assert!(json.starts_with('"'));
        prop_assert_eq!(serde_json::from_str::<Amount>(&json).unwrap(), amount);
    }

    #[test]
    fn a_json_number_is_refused(n in any::<i32>()) {
        prop_assert!(serde_json::from_str::<Amount>(&n.to_string()).is_err());
    }

    #[test]
    fn flooring_never_rises_and_lies_on_the_step(units in 0u32..1_000_000, step in 1u32..5_000) {
        let (q, s) = (Qty::new(Decimal::new(units.into(), 3)).unwrap(), Qty::new(Decimal::new(step.into(), 3)).unwrap());
        let floored = q.floor_to(s).unwrap();
        prop_assert!(floored <= q);
        prop_assert!((floored.get() % s.get()).is_zero());
        prop_assert!(q.get() - floored.get() < s.get());
    }

    #[test]
    fn negating_twice_is_nothing(mantissa in any::<i64>()) {
        let amount = Amount::new(Decimal::new(mantissa, 4)).unwrap();
        prop_assert_eq!(amount.negated().negated(), amount);
        prop_assert!(amount.plus(amount.negated()).unwrap().is_zero());
    }
}
