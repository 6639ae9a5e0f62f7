"""Judges the simulator's wire by clients that were not written here: PyPI's pybit and ccxt.

    python3 run.py --sim target/debug/zoomex-sim --venv target/test-clients

Makes a virtual environment of its own (kept for the next run), starts a simulator for each client,
and drives it. Ends with 0, with 1 where a client saw something wrong, and with 77 and one line that
begins with SKIPPED: where the clients cannot be had.
"""

import argparse
import hashlib
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sim", required=True, help="the simulator's program")
    parser.add_argument("--venv", required=True, help="directory for the virtual environment")
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.sim).is_file():
        sys.exit(f"{arguments.sim} is not there; build it first: cargo build --bin zoomex-sim")
    python = clients(pathlib.Path(arguments.venv))
    failed = [name for name in ("with_pybit.py", "with_ccxt.py") if not drive(arguments.sim, python, name)]
    if failed:
        sys.exit(f"FAILED: {', '.join(failed)}")
    print("all clients agree with the simulator")


def clients(venv):
    """The Python of an environment that has the clients."""
    wanted = HERE / "requirements.txt"
    python, mark = venv / "bin" / "python", venv / "installed"
    fingerprint = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if mark.is_file() and mark.read_text() == fingerprint:
        return python
    for what, command in [
        ("make a virtual environment", [sys.executable, "-m", "venv", "--clear", str(venv)]),
        (
            "install the clients from PyPI",
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", wanted],
        ),
    ]:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            said = done.stdout.strip().splitlines() or ["no reason given"]
            print(f"SKIPPED: cannot {what}: {said[-1]}")
            sys.exit(SKIPPED)
    mark.write_text(fingerprint)
    return python


def drive(sim, python, script):
    """Runs one client against a simulator of its own."""
    venue = subprocess.Popen(
        [sim, "--listen", "127.0.0.1:0", "--speed", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        said = venue.stdout.readline().strip()
        address = said.removeprefix("listening on ")
        if address == said:
            print(f"the simulator said {said!r} first")
            return False
        return subprocess.run([python, HERE / script, f"http://{address}"]).returncode == 0
    finally:
        venue.terminate()
        venue.wait()


if __name__ == "__main__":
    main()
