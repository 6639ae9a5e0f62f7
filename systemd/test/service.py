"""The installed service as an operator sees it: systemctl, perpsctl, journalctl, the venue's ledger."""
import json

from machine import Failed, until

KEY, SECRET = "sim-key", "sim-secret"
VENUE = "127.0.0.1:18080"
LEDGER = """import json, urllib.request
print(urllib.request.urlopen('http://%s/sim/ledger', timeout=10).read().decode())""" % VENUE

# Says words to a socket as a bot does, and prints the answers.
TALK = """
import json, socket, sys, time
path, requests = sys.argv[1], json.loads(sys.argv[2])
peer = socket.socket(socket.AF_UNIX); peer.settimeout(15); peer.connect(path)
lines = peer.makefile("r")
for number, (kind, body) in enumerate(requests, 1):
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    if "at" in body: body["at"] = time.time_ns() // 1_000_000
    frame = {"v": 1, "id": number, "type": kind, "deadline_ms": now + 10000, "body": body}
    try: peer.sendall((json.dumps(frame) + "\\n").encode())
    except OSError: pass  # a stranger's connection is closed; what was said to it is still there
    while True:
        line = lines.readline()
        if not line: sys.exit("the connection has ended")
        answer = json.loads(line)
        if answer.get("id") == number: break
        if answer["type"] == "error": break
    print(json.dumps(answer))
"""

CONFIG = """# the account of the test
exchange: {{testnet: true, base_url: "http://{venue}"}}
{bot}
trading: {{max_daily_risk: 0.05}}
supervisor: {{restartBudget: 50, backoffMinMs: 100, backoffMaxSeconds: 1, heartbeatTimeoutSeconds: 4}}
perps:
  useTestnet: true
  symbol: SOLUSDT
  interval: "1"
  sessionMaxTrades: {trades}
  maxRequestsPerSecond: 9
  maxRequestsPerMinute: 500
  leverage: 2
"""


def config(trades=10, bot="bot: {command: [sleep, infinity]}"):
    return CONFIG.format(venue=VENUE, trades=trades, bot=bot)


class Service:
    """One instance, perps@NAME."""

    def __init__(self, machine, name):
        self.machine, self.name, self.unit = machine, name, f"perps@{name}.service"
        self.config_file = f"/etc/perps/{name}.yaml"

    def write_config(self, text):
        """As an editor does: a new file beside it, renamed over it."""
        place = self.machine.inside(self.config_file)
        fresh = place.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o644)
        fresh.rename(place)

    def write_keys(self):
        keys = self.machine.inside(f"/etc/perps/credentials/{self.name}")
        keys.mkdir(mode=0o700)
        for name, value in (("api_key", KEY), ("api_secret", SECRET)):
            (keys / name).write_text(value + "\n")
            (keys / name).chmod(0o600)

    def systemctl(self, verb, *more):
        return self.machine.run("systemctl", verb, *more, self.unit)

    def show(self, key):
        return self.machine.run("systemctl", "show", "--property", key, "--value", self.unit).strip()

    def is_active(self):
        return self.show("ActiveState") == "active"

    def perpsctl(self, *words):
        return self.machine.run("perpsctl", "--instance", self.name, *words)

    def status(self):
        done = self.machine.try_run("perpsctl", "--instance", self.name, "status", "--json")
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failed(f"perpsctl status: {done.stderr.strip() or done.stdout[:200]}") from None

    def children(self):
        """Process ids by process, as seen inside, of those that are ready."""
        supervisor = self.status().get("supervisor")
        if not supervisor:
            raise Failed("the supervisor does not answer")
        return {child["process"]: child["pid"] for child in supervisor["children"]
                if child["state"] == "ready" and child["pid"]}

    def await_children(self, count):
        return until(40, f"{count} processes to be ready",
                     lambda: (found := self.children()) and len(found) == count and found)

    def await_synced(self):
        return until(40, "the guard to have read the venue",
                     lambda: (risk := self.status().get("risk")) and risk["synced"] and risk)

    def generation(self):
        return self.status()["supervisor"]["config"]["applied"]

    def journal(self, *fields):
        text = self.machine.run("journalctl", "--unit", self.unit, "--output", "json", "--no-pager",
                                "--quiet", *fields)
        return [json.loads(line) for line in text.splitlines()]

    def await_line(self, *fields, count=1):
        """Lines of the journal with these fields."""
        self.machine.run("journalctl", "--sync")
        return until(20, f"{' '.join(fields)} in the journal",
                     lambda: (lines := self.journal(*fields)) and len(lines) >= count and lines)

    def environment_of(self, pid):
        raw = self.machine.run("cat", f"/proc/{pid}/environ")
        return dict(item.split("=", 1) for item in raw.split("\0") if "=" in item)

    def talk(self, socket, *requests, user=None):
        """What a socket answers; the process's result."""
        path = f"/run/perps/{self.name}/{socket}"
        return self.machine.try_run("python3", "-c", TALK, path, json.dumps(requests), user=user)

    def resting_opener(self, intent):
        """Places a bid far below the market and makes sure that it rests."""
        order = {"intent_id": intent, "at": 0, "symbol": "SOLUSDT", "side": "buy", "order_type": "limit",
                 "qty": "1", "price": "100", "stop_loss": "90"}
        done = self.talk("gateway.sock", ("hello", {"name": "test"}), ("place", order))
        if "accepted" not in done.stdout:
            raise Failed(f"the bid was not accepted: {done.stdout.strip()} {done.stderr.strip()}")

    def openers(self):
        ledger = json.loads(self.machine.run("python3", "-c", LEDGER))
        return [o for o in ledger["orders"] if not o["reduceOnly"] and not o["closeOnTrigger"]]

    def live_openers(self):
        live = ("new", "partiallyfilled", "created", "untriggered")
        return [o for o in self.openers() if o["status"].lower() in live]
