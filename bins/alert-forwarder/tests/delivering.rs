//! A real alert-forwarder: what it acknowledged is delivered, whatever happens to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test may fail loudly"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};
use daemon::clock;
use daemon::logline::{Level, LogLine};
use protocol::alerts::{AlertsReply, AlertsRequest, AlertsStatus};
use protocol::control::{Order, Prepare, Report, inherited};
use protocol::frame::{self, Empty, Envelope, ErrorBody, ErrorCode, Head, MAX_LINE};
use protocol::{Alert, Context, Generation, Mode, Process, Severity, Tag, VenueMs};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn alert(id: &str) -> Alert {
    Alert {
        id: id.to_owned(),
        tag: Tag::DailyLoss,
        severity: Severity::Critical,
        message: format!("Daily loss 6.20% exceeded limit 5.00% ({id})"),
        context: Context::new().with("daily_loss", "0.062"),
        process: Process::RiskGuard,
        at: VenueMs(1),
    }
}

/// A deployment of one alert-forwarder, played by its supervisor.
struct Deployment {
    dir: TempDir,
    listener: UnixListener,
    running: Option<(Child, UnixStream)>,
    log: Arc<Mutex<Vec<LogLine>>>,
}

impl Deployment {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir_all(dir.path().join("run")).unwrap();
        fs::create_dir_all(dir.path().join("alerts")).unwrap();
        let listener = UnixListener::bind(dir.path().join("run/alerts.sock")).unwrap();
        Self {
            dir,
            listener,
            running: None,
            log: Arc::default(),
        }
    }

    fn started() -> Self {
        let mut deployment = Self::new();
        deployment.start();
        deployment
    }

    fn spool(&self) -> PathBuf {
        self.dir.path().join("alerts")
    }

    fn spawn(&mut self) -> BufReader<UnixStream> {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let map = |fd: OwnedFd, child_fd| FdMapping {
            parent_fd: fd,
            child_fd,
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_perps-alerts"));
        command
            .env(inherited::CONTROL_FD, "3")
            .env(inherited::LISTEN_FD, "4")
            .env(inherited::LOG_FD, "5")
            .env(inherited::DIR, self.dir.path())
            .stdin(Stdio::null())
            .fd_mappings(vec![
                map(theirs.into(), 3),
                map(self.listener.try_clone().unwrap().into(), 4),
                map(writer.into(), 5),
            ])
            .unwrap();
        let child = command.spawn().unwrap();
        drop(command);
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                // A kill may tear the last line.
                if let Ok(line) = serde_json::from_str(&line) {
                    log.lock().unwrap().push(line);
                }
            }
        });
        ours.set_read_timeout(Some(PATIENCE)).unwrap();
        let reports = BufReader::new(ours.try_clone().unwrap());
        self.running = Some((child, ours));
        reports
    }

    fn start(&mut self) {
        let mut reports = self.prepared();
        self.say(&Order::Commit(Generation(1)));
        loop {
            match report(&mut reports) {
                Some(Report::Ready(_)) => return,
                Some(Report::Applied(_) | Report::Heartbeat(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// One that has its config and waits for its commit.
    fn prepared(&mut self) -> BufReader<UnixStream> {
        let mut reports = self.spawn();
        self.say(&Order::Prepare(Prepare {
            generation: Generation(1),
            file: "f.yaml".into(),
            path: "g.yaml".into(),
            mode: Mode::Testnet,
        }));
        let Some(Report::Prepared(Generation(1))) = report(&mut reports) else {
            panic!("not prepared")
        };
        reports
    }

    fn say(&mut self, order: &Order) {
        let mut bytes = Vec::new();
        frame::write(Head::push(), order, &mut bytes).unwrap();
        self.running.as_mut().unwrap().1.write_all(&bytes).unwrap();
    }

    fn kill(&mut self) {
        let (mut child, _) = self.running.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let (mut child, control) = self.running.take().unwrap();
        let status = until("the forwarder to end", || child.try_wait().unwrap());
        drop(control);
        status
    }

    fn connect(&self) -> Peer {
        let stream = UnixStream::connect(self.dir.path().join("run/alerts.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Peer {
            stream,
            lines,
            next_id: 1,
        }
    }

    /// How often the log has an alert's line.
    fn times(&self, id: &str) -> usize {
        let word = format!("({id})");
        let log = self.log.lock().unwrap();
        log.iter()
            .filter(|l| l.message.starts_with("ALERT[") && l.message.contains(&word))
            .count()
    }

    fn await_times(&self, id: &str, times: usize) {
        until(&format!("{id} in the log {times} times"), || {
            (self.times(id) >= times).then_some(())
        });
    }

    fn await_log(&self, text: &str) -> LogLine {
        until(&format!("{text:?} in the log"), || {
            self.log
                .lock()
                .unwrap()
                .iter()
                .find(|l| l.message.contains(text))
                .cloned()
        })
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn report(reports: &mut BufReader<UnixStream>) -> Option<Report> {
    let mut line = Vec::new();
    let n = reports.read_until(b'\n', &mut line).unwrap();
    (n > 0).then(|| Envelope::read(&line).unwrap().message().unwrap())
}

struct Peer {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    next_id: u64,
}

impl Peer {
    fn send(&mut self, request: &AlertsRequest) {
        let mut bytes = Vec::new();
        let head = Head::request(self.next_id, clock::boot_now().after(10_000));
        self.next_id += 1;
        frame::write(head, request, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    fn reply(&mut self) -> Option<AlertsReply> {
        let mut line = Vec::new();
        let n = self.lines.read_until(b'\n', &mut line).unwrap();
        (n > 0).then(|| Envelope::read(&line).unwrap().message().unwrap())
    }

    fn deliver(&mut self, id: &str) -> Result<(), ErrorBody> {
        self.send(&AlertsRequest::Deliver(alert(id)));
        match self.reply() {
            Some(AlertsReply::Done(_)) => Ok(()),
            Some(AlertsReply::Error(error)) => Err(error),
            other => panic!("{other:?}"),
        }
    }

    fn status(&mut self) -> AlertsStatus {
        self.send(&AlertsRequest::Status(Empty {}));
        match self.reply() {
            Some(AlertsReply::Status(status)) => status,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_alert_becomes_the_exact_line_at_its_severity() {
    let deployment = Deployment::started();
    deployment.connect().deliver("a").unwrap();
    deployment.await_times("a", 1);
    let line = deployment.await_log("ALERT[");
    assert_eq!(
        line.message,
        r#"ALERT[safety_daily_loss]: Daily loss 6.20% exceeded limit 5.00% (a) | context={"daily_loss":"0.062"}"#
    );
    assert_eq!(
        (line.level, line.process, line.story),
        (Level::Error, Process::AlertForwarder, true)
    );
}

#[test]
fn a_repeat_is_acknowledged_and_delivered_once() {
    let mut deployment = Deployment::started();
    let mut peer = deployment.connect();
    for _ in 0..3 {
        peer.deliver("a").unwrap();
    }
    peer.deliver("b").unwrap();
    deployment.await_times("b", 1);
    assert_eq!(deployment.times("a"), 1);
    let drained = |peer: &mut Peer| {
        until("a dry spool", || {
            let status = peer.status();
            (status.spooled == 0).then_some(status)
        })
    };
    let status = drained(&mut peer);
    assert_eq!(
        (status.sinks[0].name.as_str(), status.sinks[0].delivered),
        ("log", 2)
    );
    until("the cursor on disk", || {
        let text = fs::read_to_string(deployment.spool().join("cursor-log.json")).ok()?;
        text.contains("\"taken_through\":2").then_some(())
    });
    deployment.kill();
    deployment.start();
    let mut peer = deployment.connect();
    peer.deliver("a").unwrap();
    peer.deliver("c").unwrap();
    deployment.await_times("c", 1);
    assert_eq!((deployment.times("a"), deployment.times("b")), (1, 1));
}

#[test]
fn what_was_acknowledged_is_delivered_after_any_kill() {
    let mut deployment = Deployment::started();
    let mut acknowledged = Vec::new();
    for round in 0..10 {
        let mut peer = deployment.connect();
        for n in 0..20 {
            let id = format!("r{round}-{n}");
            peer.deliver(&id).unwrap();
            acknowledged.push(id);
        }
        deployment.kill();
        deployment.start();
    }
    for id in &acknowledged {
        deployment.await_times(id, 1);
        assert!(deployment.times(id) <= 2, "{id}: once more at most");
    }
}

#[test]
fn what_came_while_it_was_away_waits_at_the_door() {
    let mut deployment = Deployment::started();
    deployment.kill();
    let mut peer = deployment.connect();
    peer.send(&AlertsRequest::Deliver(alert("early")));
    deployment.start();
    assert!(matches!(peer.reply(), Some(AlertsReply::Done(_))));
    deployment.await_times("early", 1);
}

#[test]
fn a_torn_line_is_said_and_costs_nothing_else() {
    let mut deployment = Deployment::started();
    deployment.connect().deliver("whole").unwrap();
    deployment.await_times("whole", 1);
    deployment.kill();
    let file = fs::read_dir(deployment.spool())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "ndjson"))
        .unwrap();
    let mut spool = fs::OpenOptions::new().append(true).open(file).unwrap();
    spool
        .write_all(b"{\"seq\":2,\"alert\":{\"id\":\"to")
        .unwrap();
    deployment.start();
    deployment.await_log("torn last line");
    deployment.connect().deliver("after").unwrap();
    deployment.await_times("after", 1);
    deployment.kill();
    deployment.start();
    deployment.connect().deliver("last").unwrap();
    deployment.await_times("last", 1);
}

#[test]
fn a_disk_that_takes_nothing_still_gets_the_alert_into_the_log() {
    let mut deployment = Deployment::new();
    let Some(disk) = SmallDisk::mount(&deployment.spool()) else {
        println!("SKIPPED: a small file system cannot be mounted here");
        return;
    };
    deployment.start();
    let mut peer = deployment.connect();
    peer.deliver("before").unwrap();
    disk.fill();
    let refused = (0..5000)
        .find_map(|n| peer.deliver(&format!("n{n}")).err().map(|error| (n, error)))
        .expect("the disk runs full");
    let (n, error) = refused;
    assert!(error.message.contains("send it again"), "{error}");
    deployment.await_times(&format!("n{n}"), 1);
    assert!(peer.deliver(&format!("n{n}")).is_err());
    assert_eq!(deployment.times(&format!("n{n}")), 1, "told once");
    let said = "alerts cannot be kept on disk";
    deployment.await_log(said);
    let count = |d: &Deployment| {
        d.log
            .lock()
            .unwrap()
            .iter()
            .filter(|l| l.message.contains(said))
            .count()
    };
    assert_eq!(count(&deployment), 1, "said once");
    disk.free();
    peer.deliver(&format!("n{n}")).unwrap();
    peer.deliver("after").unwrap();
    deployment.await_times("after", 1);
    assert_eq!(
        deployment.times(&format!("n{n}")),
        1,
        "the log has it already"
    );
    deployment.await_log("kept on disk again");
}

#[test]
fn garbage_costs_its_sender_the_connection_and_nobody_else() {
    let deployment = Deployment::started();
    let mut good = deployment.connect();
    let long_line = vec![b'x'; MAX_LINE + 10];
    for (bytes, code) in [
        (b"what\n".as_slice(), ErrorCode::Malformed),
        (long_line.as_slice(), ErrorCode::TooLong),
    ] {
        let mut bad = deployment.connect();
        bad.stream.write_all(bytes).unwrap();
        match bad.reply() {
            Some(AlertsReply::Error(error)) => assert_eq!(error.code, code),
            other => panic!("{other:?}"),
        }
        assert!(bad.reply().is_none());
    }
    good.deliver("fine").unwrap();
}

#[test]
fn it_ends_in_order_with_everything_delivered() {
    let mut deployment = Deployment::started();
    let mut peer = deployment.connect();
    for n in 0..50 {
        peer.deliver(&n.to_string()).unwrap();
    }
    deployment.say(&Order::Stop(Empty {}));
    assert!(deployment.ended().success());
    deployment.await_times("49", 1);
    deployment.start();
    let (mut child, control) = deployment.running.take().unwrap();
    drop(control);
    assert!(until("the end", || child.try_wait().unwrap()).success());
    assert_eq!(deployment.times("49"), 1);
}

#[test]
fn a_second_one_on_the_same_spool_says_so_and_ends() {
    let first = Deployment::started();
    let mut second = Deployment::new();
    fs::remove_dir(second.spool()).unwrap();
    std::os::unix::fs::symlink(first.spool(), second.spool()).unwrap();
    // Until its commit it is only a spare: the spool is the first one's.
    let mut reports = second.prepared();
    second.say(&Order::Commit(Generation(1)));
    match report(&mut reports) {
        Some(Report::Failing(why)) => assert!(why.contains("held by another"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(!second.ended().success());
}

/// A file system of its own that can run full.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs"])
            .arg(at)
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then(|| Self { at: at.to_owned() })
    }

    fn fill(&self) {
        let mut ballast = fs::File::create(self.at.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.at).output());
    }
}
