//! A bot under a user of its own reaches `gateway.sock` and nothing else of the harness, whatever
//! it tries. Needs root, since only root may start it, and a Python for the bot.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod stage;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use protocol::Process;
use protocol::status::TradingState;
use stage::{PROFILE, price, sol};
use testkit::{Binaries, Harness, HarnessSpec, Sim, SimSpec, until};

const PYTHON: &str = "/usr/bin/python3";

/// Tries everything that a bot must not do, and says what came of it, a line each. First as the
/// harness stands; then, once `go` is there, against sockets that were left open to everybody.
const PROBE: &str = r#"
import json, os, signal, socket, time
run = os.path.dirname(os.environ["PERPS_GATEWAY_SOCKET"])
home, other = os.environ["PERPS_DIR"], os.getppid()  # the supervisor, which holds the keys here
def tries(what, do):
    try: found = do()
    except Exception as e: found = type(e).__name__
    print("probe", what, found, flush=True)
def connect(name):
    s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(run + "/" + name); return s
def ask(name, kind, body):
    peer = connect(name)
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    frame = {"v": 1, "id": 1, "type": kind, "deadline_ms": now + 10000, "body": body}
    try: peer.sendall((json.dumps(frame) + "\n").encode())
    except OSError: pass  # the door was closed before we spoke; what was said to us is still there
    lines = peer.makefile("r")
    answer = json.loads(lines.readline() or '{"type": "closed"}')
    return answer["type"] + ":" + str(answer.get("body", {}).get("code"))
def read(path): return "read:" + str(len(open(path, "rb").read()) > 0)
tries("ids", lambda: f"{os.getresuid()}{os.getresgid()}{os.getgroups()}".replace(" ", ""))
tries("hello", lambda: ask("gateway.sock", "hello", {"name": "probe"}))
for name in ("guard.sock", "supervisor.sock", "alerts.sock"): tries(name, lambda: connect(name))
tries("list", lambda: os.listdir(run))
tries("keys", lambda: read(home + "/credentials"))
tries("state", lambda: read(home + "/data/perps_state.json"))
tries("config", lambda: read(os.environ["PERPS_CONFIG"]))
tries("environ", lambda: read(f"/proc/{other}/environ"))
tries("signal", lambda: os.kill(other, signal.SIGTERM))
tries("root", lambda: os.setuid(0))
tries("own-keys", lambda: "none" if not [n for n in os.environ if "ZOOMEX" in n or "CREDENTIALS" in n] else "some")
tries("first", lambda: "over")
while not os.path.exists(home + "/go"): time.sleep(0.05)
tries("operator", lambda: ask("guard.sock", "operator", {"by": "root", "verb": {"halt": {"flatten": True}}}))
tries("stop", lambda: ask("supervisor.sock", "stop", {}))
tries("apply", lambda: ask("supervisor.sock", "config_apply", {}))
tries("alert", lambda: ask("alerts.sock", "status", {}))
tries("second", lambda: "over")
time.sleep(1000)
"#;

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn can_be_tried() -> bool {
    let why = if !nix::unistd::geteuid().is_root() {
        "only root may start a bot under another user"
    } else if !Path::new(PYTHON).exists() {
        "no Python for the bot"
    } else {
        return true;
    };
    println!("SKIPPED: {why}");
    false
}

#[test]
fn a_bot_under_its_own_user_reaches_the_gateway_alone() {
    if !can_be_tried() {
        return;
    }
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    sim.price(sol(), Some(price("100"))).unwrap();
    let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
    mode(dir.path(), 0o711);
    let keys = dir.path().join("credentials");
    fs::write(&keys, "api_key=sim-key\napi_secret=sim-secret\n").unwrap();
    mode(&keys, 0o600);
    let command = serde_json::json!({
        "user": "nobody",
        "command": [PYTHON, "-c", PROBE],
    });
    let spec = HarnessSpec {
        dir: dir.path().to_owned(),
        config: format!(
            "bot: {command}\n{}",
            PROFILE.replace("http://127.0.0.1:0", sim.url())
        ),
        arguments: Vec::new(),
    };
    let mut harness = Harness::start(&binaries, spec).unwrap();
    harness.await_synced().unwrap();
    let said = |what: &str, found: &str| {
        let log = fs::read_to_string(dir.path().join("logs/bot.log")).unwrap_or_default();
        assert!(
            log.contains(&format!("probe {what} {found}")),
            "{what}: {log}"
        );
    };
    let await_said = |what: &str| {
        until(40, what, || {
            let log = fs::read_to_string(dir.path().join("logs/bot.log")).unwrap_or_default();
            let over = log.contains(&format!("probe {what} over"));
            over.then_some(()).ok_or(log)
        })
        .unwrap();
    };
    await_said("first");
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let (uid, gid) = (nobody.uid, nobody.gid);
    said(
        "ids",
        &format!("({uid},{uid},{uid})({gid},{gid},{gid})[{gid}]"),
    );
    said("hello", "welcome:");
    for socket in ["guard.sock", "supervisor.sock", "alerts.sock"] {
        said(socket, "PermissionError");
    }
    for what in ["list", "keys", "state", "environ", "signal", "root"] {
        said(what, "PermissionError");
    }
    said("config", "read:True");
    said("own-keys", "none");

    // The sockets' modes are the outer door; behind it the kernel says who knocks.
    for socket in ["guard.sock", "supervisor.sock", "alerts.sock"] {
        mode(&dir.path().join("run").join(socket), 0o666);
    }
    fs::write(dir.path().join("go"), "").unwrap();
    await_said("second");
    for what in ["operator", "stop", "apply", "alert"] {
        said(what, "error:forbidden");
    }
    assert_eq!(harness.risk().unwrap().state, TradingState::Active);

    let bot = harness.pid_of(Process::Bot).unwrap();
    harness.kill().unwrap();
    until(30, "the bot to go with its supervisor", || {
        let there = Path::new(&format!("/proc/{bot}")).exists();
        (!there).then_some(()).ok_or("still there".to_owned())
    })
    .unwrap();
}

#[test]
fn a_bot_user_that_cannot_be_is_refused_in_a_sentence() {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    for (user, sentence) in [
        ("no-such-user-here", "there is no user"),
        ("root", "a user of its own"),
        // Another user exists, but its way to the socket is closed, or we may not become it.
        (
            "nobody",
            if nix::unistd::geteuid().is_root() {
                "chmod o+x"
            } else {
                "CAP_SETUID"
            },
        ),
    ] {
        let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
        mode(dir.path(), 0o700);
        let spec = HarnessSpec {
            dir: dir.path().to_owned(),
            config: format!(
                "bot: {{user: {user}, command: [sleep, infinity]}}\n{}",
                PROFILE.replace("http://127.0.0.1:0", sim.url())
            ),
            arguments: Vec::new(),
        };
        let mut harness = Harness::start(&binaries, spec).unwrap();
        let ended = harness.await_end().unwrap();
        let words = harness.last_words();
        assert!(
            !ended.success() && words.contains(sentence),
            "{user}: {words}"
        );
    }
}
