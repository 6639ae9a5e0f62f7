#!/usr/bin/env python3
"""A small bot for gateway.sock: long while a fast average is above a slow one, with a stop.

usage: bot.py [SOCKET]        (default: $PERPS_GATEWAY_SOCKET)     see docs/protocol.md
"""
import decimal, itertools, json, os, socket, sys, time

FAST, SLOW, STOP = 5, 20, decimal.Decimal("0.99")


class Gateway:
    def __init__(self, path):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        self.lines, self.ids, self.pushes = sock.makefile("rw", newline="\n"), itertools.count(1), []

    def read(self):
        line = self.lines.readline()
        if not line:
            raise EOFError("the gateway has gone; what was under way has an unknown outcome")
        return json.loads(line)

    def ask(self, kind, patience=10, **body):
        number, now = next(self.ids), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        frame = {"v": 1, "id": number, "type": kind, "deadline_ms": now + patience * 1000, "body": body}
        self.lines.write(json.dumps(frame) + "\n")
        self.lines.flush()
        while (answer := self.read()).get("id") != number:
            self.pushes.append(answer)
        if answer["type"] == "error" and answer["body"]["code"] == "not_ready":
            print("waiting:", answer["body"]["message"], flush=True)
            time.sleep(1)
            return self.ask(kind, patience, **body)  # nothing was done: asking again is safe
        if answer["type"] == "error":
            raise RuntimeError(answer["body"]["message"])
        return answer["body"]

    def events(self):
        while True:
            yield self.pushes.pop(0) if self.pushes else self.read()


def settle(gateway, orders):
    """Places what is in hand, under the same intent id until its outcome is known."""
    while orders:
        outcome = gateway.ask("place", **orders[0])["outcome"]
        if outcome == "pending" or "ambiguous" in outcome:
            time.sleep(2)
            continue
        print(orders.pop(0)["side"], "->", json.dumps(outcome), flush=True)


def trade(gateway, orders):
    home = gateway.ask("hello", name="bot.py")
    topic = {"symbol": home["symbol"], "interval": home["interval"]}
    steps = gateway.ask("instrument", symbol=home["symbol"])
    gateway.ask("subscribe", candles=[topic])  # first listen, then read the past: nothing is missed
    past = gateway.ask("candles", limit=SLOW + 1, **topic)["candles"][:-1]
    closes = {candle["start"]: decimal.Decimal(candle["close"]) for candle in past}
    settle(gateway, orders)
    print("listening to", home["symbol"], home["interval"], "from", home["mode"], flush=True)
    for event in gateway.events():
        if event["type"] == "safety":
            print(event["body"]["tag"], event["body"]["message"], flush=True)
        if event["type"] != "candle" or not event["body"]["closed"]:
            continue
        candle = event["body"]["candle"]
        price = closes[candle["start"]] = decimal.Decimal(candle["close"])
        window = [closes[start] for start in sorted(closes)][-SLOW:]
        held = [p for p in gateway.ask("positions")["positions"] if p["symbol"] == home["symbol"]]
        rising = len(window) == SLOW and sum(window[-FAST:]) / FAST > sum(window) / SLOW
        if rising == bool(held) or len(window) < SLOW:
            continue
        order = {"symbol": home["symbol"], "order_type": "market", "at": time.time_ns() // 1_000_000}
        order["intent_id"] = f"py-{time.time_ns()}"
        if rising:
            lot, least = decimal.Decimal(steps["lot"]), decimal.Decimal(steps["min_notional"] or 5)
            qty = max(2 * least / price // lot * lot + lot, decimal.Decimal(steps["min_qty"]))
            order |= {"side": "buy", "qty": f"{qty:f}", "stop_loss": f"{price * STOP:f}"}
        else:
            order |= {"side": "sell", "qty": held[0]["size"], "reduce_only": True}
        orders.append(order)
        settle(gateway, orders)


if __name__ == "__main__":
    in_hand = []  # outlives a connection: an order whose answer was lost is asked for again
    while True:
        try:
            trade(Gateway((sys.argv + [os.environ.get("PERPS_GATEWAY_SOCKET", "")])[1]), in_hand)
        except (OSError, EOFError) as error:
            print("connecting again:", error, flush=True)
            time.sleep(1)
