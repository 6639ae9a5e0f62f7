"""Drives the simulator with ccxt's Bybit class, unmodified but for its URLs."""

import faulthandler
import sys

import ccxt

from check import WHOLE_RUN_S, Report, Sim

SOL = "SOL/USDT:USDT"


def main(url):
    faulthandler.dump_traceback_later(WHOLE_RUN_S, exit=True)
    sim, report = Sim(url), Report("ccxt")
    sim.post("price", symbol="SOLUSDT", price="100")
    venue = client(url, "sim-key", "sim-secret")
    market(venue, report)
    orders(venue, report)
    refusals(venue, url, sim, report)
    report.end()


def client(url, key, secret):
    venue = ccxt.bybit({
        "apiKey": key,
        "secret": secret,
        "urls": {"api": {"public": url, "private": url}},
        "options": {
            "fetchMarkets": {"types": ["linear"]},
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
        },
    })
    venue.has["fetchCurrencies"] = False
    return venue


def market(venue, report):
    report.true("server time", venue.fetch_time() > 1_700_000_000_000)
    sol = venue.load_markets()[SOL]
    seen = (sol["precision"]["price"], sol["precision"]["amount"], sol["limits"]["cost"]["min"])
    report.equal("markets", seen, (0.01, 0.1, 5.0))
    report.equal("ticker", venue.fetch_ticker(SOL)["last"], 100.0)
    candles = venue.fetch_ohlcv(SOL, "5m", limit=100)
    report.equal("candles, oldest first", len(candles), 100)
    book = venue.fetch_order_book(SOL, 50)
    report.true("order book", book["bids"][0][0] < book["asks"][0][0])
    venue.fetch_trades(SOL)
    report.line("public trades")
    report.true("funding rate", venue.fetch_funding_rate(SOL)["fundingRate"] is not None)


def orders(venue, report):
    report.equal("balance", venue.fetch_balance()["USDT"]["total"], 10000.0)
    venue.set_leverage(5, SOL)
    report.line("leverage")
    placed = venue.create_order(
        SOL, "limit", "buy", 2, 95,
        {"clientOrderId": "cx-1", "takeProfit": {"triggerPrice": 120}, "stopLoss": {"triggerPrice": 90}},
    )
    opened = venue.fetch_open_orders(SOL)[0]
    seen = [opened[key] for key in ("id", "status", "stopLossPrice", "takeProfitPrice")]
    report.equal("limit order", seen, [placed["id"], "open", 90.0, 120.0])
    venue.edit_order(placed["id"], SOL, "limit", "buy", 3, 96)
    opened = venue.fetch_open_order(placed["id"], SOL)
    report.equal("amend", (opened["price"], opened["amount"]), (96.0, 3.0))
    venue.cancel_order(placed["id"], SOL)
    report.equal("cancel", venue.fetch_open_orders(SOL), [])
    ended = venue.fetch_canceled_orders(SOL)[0]
    report.equal("order history", (ended["clientOrderId"], ended["status"]), ("cx-1", "canceled"))

    venue.create_order(
        SOL, "market", "buy", 2, None,
        {"clientOrderId": "cx-2", "takeProfit": {"triggerPrice": 120}, "stopLoss": {"triggerPrice": 90}},
    )
    held = venue.fetch_positions([SOL])[0]
    seen = [held[key] for key in ("side", "contracts", "leverage", "stopLossPrice")]
    report.equal("market order and position", seen, ["long", 2.0, 5.0, 90.0])
    filled = venue.fetch_closed_orders(SOL)[-1]
    report.equal("filled order", (filled["clientOrderId"], filled["filled"]), ("cx-2", 2.0))
    venue.create_order(SOL, "market", "sell", 2, None, {"reduceOnly": True})
    held = [one for one in venue.fetch_positions() if one["contracts"]]
    report.equal("close", held, [])
    trades = venue.fetch_my_trades(SOL)
    report.equal("executions", [one["side"] for one in trades], ["buy", "sell"])
    report.true("fees", all(one["fee"]["cost"] > 0 for one in trades))
    closed = venue.fetch_positions_history([SOL])
    report.equal("closed PnL", [one["contracts"] for one in closed], [2.0])
    for n in range(3):
        venue.create_order(SOL, "limit", "buy", 1, 90 + n)
    report.equal("cancel all", len(venue.cancel_all_orders(SOL)), 3)


def refusals(venue, url, sim, report):
    def order(kind="market", qty=1, price=None, **params):
        return lambda: venue.create_order(SOL, kind, "buy", qty, price, params)

    report.raises("too dear, 110007", ccxt.InsufficientFunds, order(qty=5000))
    report.raises("nothing to reduce, 110017", ccxt.InvalidOrder, order(reduceOnly=True))
    report.raises("link id used before, 110072", ccxt.InvalidOrder, order(clientOrderId="cx-1"))
    report.raises("no such order, 110001", ccxt.OrderNotFound, lambda: venue.cancel_order("none", SOL))
    for name, key, secret in [
        ("unknown key, 10003", "other", "sim-secret"),
        ("wrong signature, 10004", "sim-key", "other"),
    ]:
        stranger = client(url, key, secret)
        report.raises(name, ccxt.AuthenticationError, stranger.fetch_balance)
    for code, kind in [(10005, ccxt.PermissionDenied), (900001, ccxt.ExchangeError)]:
        sim.post("fault", kind="ret_code", code=code, path="/order/create")
        report.raises(f"a code on order, {code}", kind, order())
    sim.post("fault", kind="ret_code", code=10006, path="/position/list")
    report.raises("too many requests, 10006", ccxt.RateLimitExceeded, venue.fetch_positions)


if __name__ == "__main__":
    main(sys.argv[1])
