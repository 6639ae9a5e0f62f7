"""Drives the simulator with pybit, unmodified: every call and stream that a bot would use."""

import faulthandler
import sys

import pybit.unified_trading as pybit
from pybit.exceptions import InvalidRequestError

from check import PATIENCE_S, WHOLE_RUN_S, Report, Sim, holds_within, until
from distance import far

LINEAR = {"category": "linear", "symbol": "SOLUSDT"}


def main(url):
    faulthandler.dump_traceback_later(WHOLE_RUN_S, exit=True)
    sim, report = Sim(url), Report("pybit")
    sim.post("price", symbol="SOLUSDT", price="100")
    venue = client(url, "sim-key", "sim-secret")
    market(venue, report)
    orders(venue, sim, report)
    refusals(venue, url, sim, report)
    streams(venue, url, sim, report)
    report.end()


def client(url, key, secret):
    venue = pybit.HTTP(api_key=key, api_secret=secret)
    venue.endpoint = url
    return venue


def rows(answer):
    return answer["result"]["list"]


def market(venue, report):
    report.true("server time", int(venue.get_server_time()["result"]["timeSecond"]) > 1_700_000_000)
    names = [row["symbol"] for row in rows(venue.get_instruments_info(category="linear"))]
    report.equal("instruments", names[:3], ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
    report.equal("ticker", rows(venue.get_tickers(**LINEAR))[0]["lastPrice"], "100.000")
    klines = rows(venue.get_kline(**LINEAR, interval=5, limit=200))
    starts = [int(row[0]) for row in klines]
    report.equal("klines, newest first", starts, sorted(starts, reverse=True))
    book = venue.get_orderbook(**LINEAR, limit=50)["result"]
    report.true("order book", float(book["b"][0][0]) < float(book["a"][0][0]))
    venue.get_public_trade_history(**LINEAR)
    report.line("public trades")


def orders(venue, sim, report):
    wallet = rows(venue.get_wallet_balance(accountType="UNIFIED"))[0]
    report.equal("wallet", wallet["totalEquity"], "10000")
    venue.set_leverage(**LINEAR, buyLeverage="5", sellLeverage="5")
    report.line("leverage")
    placed = venue.place_order(
        **LINEAR, side="Buy", orderType="Limit", qty="2", price="95", orderLinkId="pb-1",
        takeProfit="120", stopLoss="90", tpTriggerBy="MarkPrice", slTriggerBy="MarkPrice",
    )["result"]
    opened = rows(venue.get_open_orders(**LINEAR))[0]
    seen = [opened[key] for key in ("orderId", "orderStatus", "stopLoss", "takeProfit")]
    report.equal("limit order", seen, [placed["orderId"], "New", "90.000", "120.000"])
    venue.amend_order(**LINEAR, orderLinkId="pb-1", price="96", qty="3", stopLoss="91")
    opened = rows(venue.get_open_orders(**LINEAR, orderLinkId="pb-1"))[0]
    seen = [opened[key] for key in ("price", "qty", "stopLoss")]
    report.equal("amend", seen, ["96.000", "3.0", "91.000"])
    venue.cancel_order(**LINEAR, orderLinkId="pb-1")
    report.equal("cancel", rows(venue.get_open_orders(**LINEAR)), [])
    history = rows(venue.get_order_history(**LINEAR, orderLinkId="pb-1"))[0]
    report.equal("order history", history["orderStatus"], "Cancelled")

    venue.place_order(
        **LINEAR, side="Buy", orderType="Market", qty="2", orderLinkId="pb-2",
        takeProfit="120", stopLoss="90",
    )
    held = rows(venue.get_positions(**LINEAR))[0]
    seen = [held[key] for key in ("side", "size", "stopLoss", "leverage")]
    report.equal("market order and position", seen, ["Buy", "2", "90.000", "5"])
    venue.set_trading_stop(**LINEAR, stopLoss="92", takeProfit="0", positionIdx=0)
    held = rows(venue.get_positions(settleCoin="USDT", category="linear"))[0]
    report.equal("trading stop", (held["stopLoss"], held["takeProfit"]), ("92.000", "0.00"))
    sim.post("funding", symbol="SOLUSDT", rate="0.0001")
    venue.place_order(**LINEAR, side="Sell", orderType="Market", qty="2", reduceOnly=True)
    report.equal("close", rows(venue.get_positions(settleCoin="USDT", category="linear")), [])
    executions = rows(venue.get_executions(**LINEAR))
    report.equal(
        "executions", [row["execType"] for row in executions], ["Trade", "Funding", "Trade"]
    )
    report.equal("link id in executions", executions[2]["orderLinkId"], "pb-2")
    closed = rows(venue.get_closed_pnl(**LINEAR))
    report.equal("closed PnL", [row["closedSize"] for row in closed], ["2"])
    report.equal("closed PnL's time in ms", len(closed[0]["createdTime"]), 13)
    for n in range(3):
        venue.place_order(**LINEAR, side="Buy", orderType="Limit", qty="1", price=str(90 + n))
    first = venue.get_open_orders(**LINEAR, limit=2)
    second = venue.get_open_orders(**LINEAR, limit=2, cursor=first["result"]["nextPageCursor"])
    prices = [row["price"] for row in rows(first) + rows(second)]
    report.equal("pages", prices, ["92.000", "91.000", "90.000"])
    report.equal("cancel all", len(rows(venue.cancel_all_orders(**LINEAR))), 3)


def refusals(venue, url, sim, report):
    def order(**changed):
        wanted = {"side": "Buy", "orderType": "Market", "qty": "1", **changed}
        return lambda: venue.place_order(**LINEAR, **wanted)

    def refused(what, code, call):
        report.raises(f"{what}, {code}", InvalidRequestError, call, lambda e: e.status_code == code)

    refused("too dear", 110007, order(qty="5000"))
    refused("nothing to reduce", 110017, order(reduceOnly=True))
    refused("too small", 110094, order(orderType="Limit", qty="0.1", price="10"))
    refused("link id used before", 110072, order(orderLinkId="pb-1"))
    refused("off the tick", 10001, order(orderType="Limit", price="99.0001"))
    refused("no such order", 110001, lambda: venue.cancel_order(**LINEAR, orderId="none"))
    same = {"buyLeverage": "5", "sellLeverage": "5"}
    refused("leverage as it is", 110043, lambda: venue.set_leverage(**LINEAR, **same))
    for name, key, secret, code in [
        ("unknown key", "other", "sim-secret", 10003),
        ("wrong signature", "sim-key", "other", 10004),
    ]:
        stranger = client(url, key, secret)
        wallet = lambda: stranger.get_wallet_balance(accountType="UNIFIED")
        refused(name, code, wallet)
    sim.post("fault", kind="ret_code", code=900001, path="/order/create")
    refused("a code on order", 900001, order())


def streams(venue, url, sim, report):
    wire = far(url).replace("http", "ws", 1)
    pybit.PRIVATE_WSS = f"{wire}/v5/private"
    pybit.PUBLIC_WSS = f"{wire}/v5/public/{{CHANNEL_TYPE}}"
    heard = {}

    def listen(name):
        return lambda message: heard.setdefault(name, []).append(message)

    private = pybit.WebSocket(
        testnet=True, channel_type="private", api_key="sim-key", api_secret="sim-secret",
        private_auth_expire=10,
    )
    topics = ("order", "execution", "position", "wallet")
    for topic in topics:
        getattr(private, f"{topic}_stream")(listen(topic))
    public = pybit.WebSocket(testnet=True, channel_type="linear")
    public.ticker_stream("SOLUSDT", listen("ticker"))
    public.orderbook_stream(50, "SOLUSDT", listen("book"))
    public.kline_stream(1, "SOLUSDT", listen("kline"))
    for name in ("ticker", "book", "kline"):
        until(f"{name} of the public stream", lambda: heard.get(name))
        report.line(f"stream {name}")
    until("the private stream's auth", lambda: private.auth)

    # When a subscription is in force is not told, so orders go on until one was heard of.
    trade_until(venue, "every topic", lambda: all(heard.get(topic) for topic in topics))
    for topic in topics:
        report.line(f"stream {topic}")
    sim.post("price", symbol="SOLUSDT", price="101")
    until("the new price", lambda: heard["ticker"][-1]["data"]["lastPrice"] == "101.000")
    report.line("stream ticker follows by deltas")
    best = lambda: max(float(level[0]) for level in heard["book"][-1]["data"]["b"])
    until("the new book", lambda: best() == 101.0)
    report.line("stream book follows by deltas")

    sim.post("fault", kind="drop_ws", path="/private")
    until("the reconnect", lambda: private.is_connected() and private.auth)
    heard["execution"].clear()
    trade_until(venue, "an execution after the reconnect", lambda: heard["execution"])
    report.line("streams come back after a cut")
    # Both sockets end with the program: pybit's own exit() may wait for ever.


def trade_until(venue, what, condition):
    """Buys and sells in turn, a second apart, until the condition holds."""
    for n in range(PATIENCE_S):
        side = "Sell" if n % 2 else "Buy"
        venue.place_order(**LINEAR, side=side, orderType="Market", qty="1")
        if holds_within(1, condition):
            return
    raise AssertionError(f"{PATIENCE_S} orders, and still not {what}")


if __name__ == "__main__":
    main(sys.argv[1])
