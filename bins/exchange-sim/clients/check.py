"""What both clients' runs share: one line for each thing shown, and the simulator's admin interface."""

import json
import sys
import time
import urllib.request

PATIENCE_S = 30

# A client that hangs ends then, and shows where.
WHOLE_RUN_S = 120


class Sim:
    """The simulator's admin interface."""

    def __init__(self, url):
        self.url = url

    def post(self, verb, /, **body):
        request = urllib.request.Request(
            f"{self.url}/sim/{verb}", data=json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)


class Report:
    """Prints what was shown; fails loudly with what was expected."""

    def __init__(self, client):
        self.client = client
        self.shown = 0

    def equal(self, what, ours, expected):
        if ours != expected:
            raise AssertionError(f"{what}: {ours!r}, expected {expected!r}")
        self.line(what)

    def true(self, what, value):
        if not value:
            raise AssertionError(f"{what}: {value!r}")
        self.line(what)

    def raises(self, what, kind, call, check=lambda error: True):
        try:
            answer = call()
        except kind as error:
            # A subclass tells more than was asked for, and would hide a wrong mapping.
            if type(error) is not kind or not check(error):
                raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error
            self.line(f"{what}: {kind.__name__}")
            return
        raise AssertionError(f"{what}: no refusal but {answer!r}")

    def line(self, what):
        self.shown += 1
        print(f"{self.client}: {what}")

    def end(self):
        print(f"{self.client}: {self.shown} things shown")
        sys.stdout.flush()


def holds_within(seconds, condition):
    """Whether a condition holds, now or within so many seconds."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def until(what, condition):
    """Waits for a condition."""
    if not holds_within(PATIENCE_S, condition):
        raise AssertionError(f"waited {PATIENCE_S} s for {what}")
