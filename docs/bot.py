#!/usr/bin/env python3
"""A small bot for gateway.sock (docs/protocol.md): long while a fast average is above a slow one,
with a stop. Usage: bot.py [SOCKET], or the socket in $PERPS_GATEWAY_SOCKET."""
import itertools, json, os, socket, sys, time
from decimal import Decimal

def ask(kind, patience=10, **body):
    number, now = next(numbers), time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    frame = {"v": 1, "id": number, "type": kind, "deadline_ms": now + patience * 1000, "body": body}
    lines.write(json.dumps(frame) + "\n")
    lines.flush()
    while (answer := json.loads(lines.readline() or '{"id": 0}')).get("id") != number:
        if "type" not in answer:
            sys.exit("the gateway has gone; an order under way must be asked for again, same id")
        pushes.append(answer)
    if answer["type"] == "error" and answer["body"]["code"] == "not_ready":
        time.sleep(1)  # nothing was done: asking again is safe
        return ask(kind, patience, **body)
    return answer["body"] if answer["type"] != "error" else sys.exit(answer["body"]["message"])

def place(**order):
    order |= {"symbol": home["symbol"], "order_type": "market", "at": time.time_ns() // 1_000_000}
    order["intent_id"] = f"py-{order['at']}"
    while (outcome := ask("place", **order)["outcome"]) == "pending" or "ambiguous" in outcome:
        time.sleep(2)  # the same intent again: it returns what became of it and sends nothing
    print(order["side"], order["qty"], "->", json.dumps(outcome), flush=True)

connection = socket.socket(socket.AF_UNIX)
connection.connect((sys.argv + [os.environ.get("PERPS_GATEWAY_SOCKET", "")])[1])
lines, numbers, pushes, closes = connection.makefile("rw"), itertools.count(1), [], {}
home = ask("hello", name="bot.py")
topic = {"symbol": home["symbol"], "interval": home["interval"]}
steps = {key: Decimal(value) for key, value in ask("instrument", symbol=home["symbol"]).items()
         if key in ("lot", "min_qty", "min_notional") and value}
ask("subscribe", candles=[topic])  # listen first, then read the past: nothing is missed
for candle in ask("candles", limit=21, **topic)["candles"][:-1]:  # all but the newest are closed
    closes[candle["start"]] = Decimal(candle["close"])
print("listening to", home["symbol"], home["interval"], flush=True)
while push := pushes.pop(0) if pushes else json.loads(lines.readline() or "null"):
    if push["type"] == "candle" and push["body"]["closed"]:
        price = closes[push["body"]["candle"]["start"]] = Decimal(push["body"]["candle"]["close"])
        window = [closes[start] for start in sorted(closes)[-20:]]
        rising = sum(window[-5:]) / 5 > sum(window) / 20
        held = [p for p in ask("positions")["positions"] if p["symbol"] == home["symbol"]]
        if rising and not held and len(window) == 20:
            least = max(steps["min_qty"], 2 * steps.get("min_notional", Decimal(5)) / price)
            place(side="buy", qty=str(least // steps["lot"] * steps["lot"] + steps["lot"]),
                  stop_loss=str(price * Decimal("0.99")))
        elif held and not rising:
            place(side="sell", qty=held[0]["size"], reduce_only=True)
