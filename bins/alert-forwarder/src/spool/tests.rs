//! The spool against torn lines, full disks and repeats.

use std::fs;
use std::path::Path;

use protocol::{Context, Process, Severity, Tag, VenueMs};
use tempfile::TempDir;

use super::*;

fn alert(id: &str) -> Alert {
    Alert {
        id: id.to_owned(),
        tag: Tag::DailyLoss,
        severity: Severity::Critical,
        message: format!("message of {id}"),
        context: Context::new().with("n", id),
        process: Process::RiskGuard,
        at: VenueMs(1),
    }
}

fn alerts(ids: std::ops::Range<u32>) -> Vec<Alert> {
    ids.map(|n| alert(&format!("a-{n}"))).collect()
}

fn open(dir: &Path, cursor: u64) -> (Spool, Findings) {
    let lock = Spool::prepare(dir).unwrap();
    Spool::open(dir, lock, &[cursor]).unwrap()
}

fn ids(spool: &Spool, mut cursor: u64) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(entry) = spool.after(cursor) {
        found.push(entry.alert.id.clone());
        cursor = entry.seq;
    }
    found
}

fn files(dir: &Path) -> usize {
    segment::paths(dir).unwrap().len()
}

#[test]
fn what_was_appended_is_there_after_a_restart_in_order() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 0);
    spool.append(&alerts(0..3)).unwrap();
    spool.append(&alerts(3..5)).unwrap();
    assert_eq!((spool.next_seq - 1), 5);
    drop(spool);
    let (spool, findings) = open(dir.path(), 2);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(ids(&spool, 2), ["a-2", "a-3", "a-4"]);
    assert_eq!((spool.waiting.len(), spool.count_after(4)), (3, 1));
}

#[test]
fn a_repeat_is_known_within_a_batch_across_batches_and_across_a_restart() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 0);
    spool.append(&[alert("a"), alert("a"), alert("b")]).unwrap();
    spool.append(&[alert("b"), alert("c")]).unwrap();
    assert_eq!(ids(&spool, 0), ["a", "b", "c"]);
    spool.prune(3).unwrap();
    drop(spool);
    let (mut spool, _) = open(dir.path(), 3);
    spool.append(&[alert("a"), alert("c")]).unwrap();
    assert_eq!(ids(&spool, 0), [""; 0]);
}

#[test]
fn what_was_only_read_is_durable_before_anybody_is_told_so() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path(), 0).0.append(&alerts(0..1)));
    // By a repeat, by a new one beside it, by a file that takes the place of the newest.
    for (batch, full) in [(0..1, false), (0..2, false), (2..3, true)] {
        let (mut spool, _) = open(dir.path(), 0);
        let read = spool.segments.len() - 1;
        assert!(!spool.segments[read].proven);
        spool.suspect = full;
        spool.append(&alerts(batch)).unwrap();
        assert!(spool.segments[read].proven);
        assert_eq!(spool.segments.len() - 1 > read, full);
    }
}

#[test]
fn a_torn_last_line_is_dropped_said_and_cut_off() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 0);
    spool.append(&alerts(0..2)).unwrap();
    drop(spool);
    let path = segment::paths(dir.path()).unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    let first_line = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for cut in first_line + 1..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (mut spool, findings) = open(dir.path(), 0);
        assert_eq!(ids(&spool, 0), ["a-0"], "cut at {cut}");
        assert!(findings[0].contains("torn"), "{findings:?}");
        spool.append(&[alert("again")]).unwrap();
        drop(spool);
        let (spool, findings) = open(dir.path(), 0);
        assert_eq!(ids(&spool, 0), ["a-0", "again"], "cut at {cut}");
        assert!(findings.is_empty(), "{findings:?}");
    }
}

#[test]
fn a_damaged_line_loses_nothing_but_itself() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 0);
    spool.append(&alerts(0..3)).unwrap();
    drop(spool);
    let path = segment::paths(dir.path()).unwrap().remove(0);
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("\"seq\":2", "\"seq\":x");
    fs::write(&path, text).unwrap();
    let (spool, findings) = open(dir.path(), 0);
    assert_eq!(ids(&spool, 0), ["a-0", "a-2"]);
    assert!(findings[0].contains(":2: left out"), "{findings:?}");
}

#[test]
fn it_stays_bounded_and_keeps_what_a_sink_still_needs() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 0);
    let long = Context::new().with("text", "x".repeat(4000));
    for n in 0..2000_u64 {
        let mut one = alert(&n.to_string());
        one.context = long.clone();
        spool.append(&[one]).unwrap();
        spool.prune(n.min(1500)).unwrap();
    }
    assert_eq!(spool.after(1500).unwrap().seq, 1501);
    let before = files(dir.path());
    spool.prune(2000).unwrap();
    assert!(before > files(dir.path()));
    assert_eq!(files(dir.path()), KEPT_SEGMENTS);
    assert_eq!(spool.waiting.len(), 0);
    drop(spool);
    let (spool, _) = open(dir.path(), 2000);
    assert_eq!((spool.next_seq - 1), 2000, "numbers are never used twice");
}

#[test]
fn a_sink_that_takes_nothing_cannot_fill_the_memory() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 0);
    let long = Context::new().with("text", "x".repeat(60_000));
    let full = (0..1000_u32).find(|n| {
        let mut one = alert(&n.to_string());
        one.context = long.clone();
        spool.append(&[one]).is_err()
    });
    let full = full.expect("a bound");
    assert!((120..150).contains(&full), "{full}");
    assert!(
        matches!(spool.append(&alerts(0..2)), Ok(())),
        "a short one still fits"
    );
    spool.prune(1).unwrap();
    let mut one = alert("more");
    one.context = long;
    spool.append(&[one]).unwrap();
}

#[test]
fn what_a_failed_sync_left_behind_is_not_delivered_twice_under_two_numbers() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 0);
    spool.append(&alerts(0..2)).unwrap();
    let left = fs::read_to_string(&spool.segments[0].path).unwrap();
    spool.suspect = true;
    spool.append(&alerts(2..4)).unwrap();
    // The line that the failure could not cut off again.
    let path = spool.segments[0].path.clone();
    let ghost = left
        .lines()
        .last()
        .unwrap()
        .replace("\"seq\":2", "\"seq\":3");
    fs::write(&path, format!("{left}{ghost}\n")).unwrap();
    drop(spool);
    let (spool, _) = open(dir.path(), 0);
    assert_eq!(ids(&spool, 0), ["a-0", "a-1", "a-2", "a-3"]);
    assert_eq!((spool.next_seq - 1), 4);
}

#[test]
fn only_one_process_has_it() {
    let dir = TempDir::new().unwrap();
    let _spool = open(dir.path(), 0);
    let second = Spool::prepare(dir.path()).unwrap_err();
    assert!(second.to_string().contains("held by another"), "{second}");
}

#[test]
fn a_cursor_comes_back_and_a_damaged_one_is_no_gap() {
    let dir = TempDir::new().unwrap();
    let mut findings = Findings::new();
    let read = |findings: &mut Findings| read_cursor(dir.path(), "log", findings).unwrap();
    assert_eq!(read(&mut findings), 0);
    write_cursor(dir.path(), "log", 17).unwrap();
    assert_eq!(read(&mut findings), 17);
    assert!(findings.is_empty());
    fs::write(dir.path().join("cursor-log.json"), "{").unwrap();
    assert_eq!(read(&mut findings), 0);
    assert!(findings[0].contains("delivered again"), "{findings:?}");
    let newer = r#"{"version":2,"sink":"log","taken_through":1}"#;
    fs::write(dir.path().join("cursor-log.json"), newer).unwrap();
    assert!(read_cursor(dir.path(), "log", &mut findings).is_err());
}

#[test]
fn numbers_go_on_after_the_spool_was_deleted() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = open(dir.path(), 40);
    spool.append(&[alert("a")]).unwrap();
    assert_eq!(spool.after(40).unwrap().seq, 41);
}
