"""A real systemd in a container of its own: systemd-nspawn on an overlay of this host's root.

Whatever the steps do, the host's files stay as they are: everything is written to a tmpfs that goes
with the machine. Needs root, systemd-nspawn (Debian: systemd-container) and overlayfs.
"""
import os, shutil, signal, subprocess, tempfile, time
from pathlib import Path

TARGET = """[Unit]
Description=What the test needs, and nothing that this host starts for itself
Requires=basic.target dbus.service
After=basic.target dbus.service
AllowIsolate=yes
"""


class Skip(Exception):
    """It cannot run here."""


class Failed(Exception):
    """A step found something else than it should."""


def until(seconds, what, look):
    """What `look` returns once it is truthy; it may raise Failed or return nothing till then."""
    deadline, last = time.monotonic() + seconds, None
    while True:
        try:
            if found := look():
                return found
        except Failed as why:
            last = why
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds} s" + (f" ({last})" if last else ""))
        time.sleep(0.1)


class Machine:
    """The container; `with` boots it and takes it away again."""

    def __init__(self, install):
        self.install, self.nspawn, self.leader = install, None, None
        self.mounted = []

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("needs root")
        for tool in ("systemd-nspawn", "nsenter", "systemctl", "mount"):
            if not shutil.which(tool):
                raise Skip(f"needs {tool} (Debian: systemd-container)")
        self.base = Path(tempfile.mkdtemp(prefix="perps-systemd-", dir="/run"))
        self.root, self.console = self.base / "root", self.base / "console"
        try:
            self._prepare()
            self._boot()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _mount(self, *arguments, at):
        done = subprocess.run(["mount", *arguments, str(at)], capture_output=True, text=True)
        if done.returncode:
            raise Skip(f"cannot mount {' '.join(arguments)}: {done.stderr.strip()}")
        self.mounted.append(at)

    def _prepare(self):
        self._mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", at=self.base)
        for name in ("upper", "work", "root"):
            (self.base / name).mkdir()
        layers = f"lowerdir=/,upperdir={self.base}/upper,workdir={self.base}/work"
        self._mount("-t", "overlay", "-o", layers, "overlay", at=self.root)
        (self.root / "etc/machine-id").write_text("")
        (self.root / "etc/systemd/system/perps-test.target").write_text(TARGET)
        self.install(self.root)

    def _boot(self):
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network",
                   # What this systemd does not know yet, and would forbid.
                   "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
                   # As on a machine: without it the limits that a unit raises stay as they are.
                   "--capability=CAP_SYS_RESOURCE",
                   f"--directory={self.root}", "--boot", "systemd.unit=perps-test.target"]
        with open(self.console, "wb") as console:
            self.nspawn = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console,
                                           stderr=subprocess.STDOUT, start_new_session=True)
        self.leader = until(20, "the container's first process", self._find_leader)
        until(40, "the container to have booted", lambda: self.try_run(
            "systemctl", "is-active", "perps-test.target").stdout.strip() == "active")

    def _find_leader(self):
        if self.nspawn.poll() is not None:
            said = self.console.read_text(errors="replace").strip().splitlines()
            raise Skip(f"systemd-nspawn ended: {said[-1] if said else self.nspawn.returncode}")
        pid = self.nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            if Path(f"/proc/{child}/exe").exists() and \
                    "systemd" in os.path.basename(os.readlink(f"/proc/{child}/exe")) and \
                    os.readlink(f"/proc/{child}/ns/pid") != os.readlink("/proc/self/ns/pid"):
                return int(child)
        return None

    def __exit__(self, *_):
        if self.nspawn and self.nspawn.poll() is None:
            for sign, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 10)):
                self.nspawn.send_signal(sign)
                try:
                    self.nspawn.wait(patience)
                    break
                except subprocess.TimeoutExpired:
                    continue
        for place in reversed(self.mounted):
            subprocess.run(["umount", "--lazy", str(place)], check=False)
        if self.base.is_dir():
            self.base.rmdir()

    def try_run(self, *command, stdin=None, user=None):
        """Runs a command inside; never raises for what it says."""
        enter = ["nsenter", "-t", str(self.leader), "-m", "-p", "-u", "-i", "-n", "-C", "--"]
        become = ["setpriv", f"--reuid={user}", f"--regid={self.run('id', '-g', user).strip()}",
                  "--init-groups"] if user else []
        return subprocess.run([*enter, *become, *command], input=stdin, capture_output=True, text=True,
                              timeout=90, check=False, cwd="/",
                              env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"})

    def run(self, *command, **more):
        """The same, and it must succeed; its output."""
        done = self.try_run(*command, **more)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-600:]
            raise Failed(f"{' '.join(command)}: exit {done.returncode}: {said}")
        return done.stdout

    def path(self, inside):
        """A path inside, as seen from here (the overlay; not what is mounted inside)."""
        return self.root / inside.lstrip("/")

    def inside(self, inside):
        """A path inside with everything that is mounted there."""
        return Path(f"/proc/{self.leader}/root") / inside.lstrip("/")
