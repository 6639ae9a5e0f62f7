"""The runbook's arithmetic, for one account: daily loss, drawdown, losses in a row, session trades.

Reads events, one JSON object a line, and prints after each the four numbers as JSON. Independent of
the guard on purpose: nothing but the standard library, and every figure worked out the plain way.
"""
import json
import sys
from decimal import Decimal, getcontext

getcontext().prec = 60
DAY_MS = 86_400_000

equity = peak = None
day, day_pnl, day_reset = None, Decimal(0), Decimal(0)
streak = trades = 0

for line in sys.stdin:
    event = json.loads(line)
    today = event["at"] // DAY_MS
    if today != day:
        day, day_pnl, day_reset = today, Decimal(0), Decimal(0)
    what = event["what"]
    if what == "closed":
        pnl = Decimal(event["pnl"])
        day_pnl += pnl
        streak = streak + 1 if pnl < 0 else 0
    elif what == "equity":
        equity = Decimal(event["equity"])
        peak = equity if peak is None else max(peak, equity)
    elif what == "opened":
        trades += 1
    elif what == "new_session":
        trades = 0
    elif what == "reset_streak":
        streak = 0
    elif what == "reset_daily_loss":
        day_reset = day_pnl
    elif what == "rebase_peak":
        peak = equity
    loss = (day_reset - day_pnl) / equity if equity else None
    fall = max(Decimal(0), peak - equity) / peak if peak else None
    print(json.dumps({
        "daily_loss": None if loss is None else f"{loss:.12f}",
        "drawdown": None if fall is None else f"{fall:.12f}",
        "losses": streak,
        "trades": trades,
    }))
