//! Starts that cannot succeed: a sentence that says what to do, an exit code that says whether
//! another try would help, and nothing left running or half-begun.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests: starts programs"
)]

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use daemon::deployment::Deployment;
use testkit::{Binaries, Sim, SimSpec};

const PROFILE: &str = include_str!("../../../configs/drill/normal.yaml");

/// How a supervisor ended, and all it said on stderr.
struct End {
    code: Option<i32>,
    words: String,
}

/// Runs a supervisor in `dir` to its end.
#[expect(clippy::disallowed_methods, reason = "started by hand")]
fn supervisor(dir: &Path, key: Option<&str>, arguments: &[&str]) -> End {
    let program = Binaries::beside_this_program().unwrap();
    let mut command = Command::new(program.path("perps-supervisor").unwrap());
    command
        .args(arguments)
        .current_dir(dir)
        .env_remove("ZOOMEX_TESTNET_API_KEY")
        .env_remove("ZOOMEX_TESTNET_API_SECRET")
        .env_remove("CREDENTIALS_DIRECTORY");
    if let Some(key) = key {
        command
            .env("ZOOMEX_TESTNET_API_KEY", key)
            .env("ZOOMEX_TESTNET_API_SECRET", "sim-secret");
    }
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty(), "nothing but words for people");
    End {
        code: output.status.code(),
        words: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A start with the drill's plain profile and that venue; the directory as it is left.
fn start_at(venue: &str, key: Option<&str>) -> (tempfile::TempDir, End) {
    let dir = tempfile::Builder::new().prefix("e2e-").tempdir().unwrap();
    let profile = PROFILE.replace("http://127.0.0.1:0", venue);
    std::fs::write(dir.path().join("c.yaml"), profile).unwrap();
    let arguments = ["--mode", "testnet", "--config", "c.yaml"];
    let end = supervisor(dir.path(), key, &arguments);
    (dir, end)
}

/// One sentence, and nobody at any socket.
fn nothing_is_left(dir: &Path, end: &End) {
    assert_eq!(end.words.lines().count(), 1, "{}", end.words);
    let deployment = Deployment::at(dir);
    for path in [deployment.supervisor_socket(), deployment.gateway_socket()] {
        let refused = UnixStream::connect(&path).unwrap_err();
        assert_eq!(
            refused.kind(),
            ErrorKind::ConnectionRefused,
            "{}",
            path.display()
        );
    }
}

#[test]
fn whoever_has_no_config_yet_is_told_how_to_begin() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, code) in [
        (&[][..], 2),
        (&["--mode", "testnet"], 2),
        (&["--mode", "testnet", "--config", "none.yaml"], 78),
    ] {
        let end = supervisor(dir.path(), None, arguments);
        assert_eq!(end.code, Some(code), "{arguments:?}: {}", end.words);
        for word in ["make demo", "configs/zoomex_example.yaml"] {
            assert!(end.words.contains(word), "{arguments:?}: {}", end.words);
        }
    }
    let begun = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(begun, 0, "nothing was begun");
}

#[test]
fn keys_that_are_missing_or_wrong_are_not_tried_again() {
    let binaries = Binaries::beside_this_program().unwrap();
    let sim = Sim::start(&binaries, &SimSpec::default()).unwrap();
    for (key, words) in [
        (None, "ZOOMEX_TESTNET_API_KEY"),
        (Some("another"), "the API key is unknown"),
    ] {
        let (dir, end) = start_at(sim.url(), key);
        assert_eq!(end.code, Some(78), "{}", end.words);
        assert!(end.words.contains(words), "{}", end.words);
        nothing_is_left(dir.path(), &end);
    }
}

#[test]
fn a_venue_that_cannot_be_reached_may_be_there_later() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let (dir, end) = start_at(&nobody, Some("sim-key"));
    assert_eq!(end.code, Some(1), "{}", end.words);
    assert!(
        end.words.contains("has not been reached") && end.words.contains("exchange.base_url"),
        "{}",
        end.words
    );
    nothing_is_left(dir.path(), &end);
}
