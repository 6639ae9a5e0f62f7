//! What has been asked of the guard and not been answered yet. Pure.
//!
//! Two kinds of request. A question waits for its answer on this connection only: when the
//! connection ends, its outcome is unknown. A report is kept and repeated, over connections too,
//! until the guard has it on disk.

use std::collections::{BTreeMap, BTreeSet};

use protocol::guard::{CommandResult, ExitReport, GuardReply, GuardRequest, OutcomeReport, Stands};
use protocol::order::Lookup;
use protocol::{Approval, ApprovalId, BootMs, Decision, IntentId, Outcome};
use tokio::sync::oneshot;

/// Exits of which it is remembered that they went without the guard.
const ALONE_MOST: usize = 1000;

/// How long a report waits for its acknowledgement before it is said again.
const REPEAT_MS: u64 = 1000;

/// How long a new report may wait for something else to be said: the two then reach the guard's
/// disk together.
const RIDE_MS: u64 = 1;

/// Something that must reach the guard's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// What became of an approved send.
    Outcome(OutcomeReport),
    /// What a look-up found.
    Lookup(Box<Lookup>),
    /// An exit that went without the guard.
    Exit(Box<ExitReport>),
    /// How a command went.
    Command(CommandResult),
}

/// What the acknowledgement of a report says beyond that it was taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Learnt {
    /// Where an approval stands after a look-up.
    Stands(Stands),
    /// What an exit that went without the guard is followed as.
    ExitTaken(Box<Approval>),
}

impl Report {
    fn request(&self) -> GuardRequest {
        match self {
            Self::Outcome(report) => GuardRequest::Outcome(report.clone()),
            Self::Lookup(lookup) => GuardRequest::Lookup((**lookup).clone()),
            Self::Exit(exit) => GuardRequest::ExitAlone((**exit).clone()),
            Self::Command(result) => GuardRequest::CommandResult(result.clone()),
        }
    }
}

#[derive(Debug)]
struct Kept {
    report: Report,
    /// Who waits until the guard has it on disk.
    taken: Option<oneshot::Sender<()>>,
    /// The id under which it was last said, and when; `None`: not yet on this connection.
    said: Option<(u64, BootMs)>,
    since: BootMs,
}

impl Kept {
    /// When it is to be said at the latest.
    fn due(&self) -> BootMs {
        let awaited = self.taken.as_ref().is_some_and(|taken| !taken.is_closed());
        let first = self.since.after(if awaited { 0 } else { RIDE_MS });
        self.said.map_or(first, |(_, at)| at.after(REPEAT_MS))
    }
}

/// All that waits.
#[derive(Debug, Default)]
pub(crate) struct Dialogue {
    last_id: u64,
    last_report: u64,
    questions: BTreeMap<u64, oneshot::Sender<GuardReply>>,
    reports: BTreeMap<u64, Kept>,
    /// Approvals that this process has been told of, or that it found at its first welcome.
    known: BTreeSet<ApprovalId>,
    /// Exits that went without the guard: an approval of one of them is not one that never left.
    alone: BTreeSet<IntentId>,
    welcomed: bool,
}

impl Dialogue {
    /// An id for a new question, whose answer goes there.
    pub(crate) fn ask(&mut self, answer: oneshot::Sender<GuardReply>) -> u64 {
        let id = self.next_id();
        self.questions.insert(id, answer);
        id
    }

    /// Keeps a report until it is acknowledged; [`due`](Self::due) says it for the first time.
    pub(crate) fn keep(&mut self, report: Report, now: BootMs) {
        self.keep_and_tell(report, None, now);
    }

    /// The same; `taken` hears when the guard has it on disk.
    pub(crate) fn keep_and_tell(
        &mut self,
        report: Report,
        taken: Option<oneshot::Sender<()>>,
        now: BootMs,
    ) {
        if let Report::Exit(exit) = &report {
            self.alone.insert(exit.intent.intent_id);
            while self.alone.len() > ALONE_MOST {
                self.alone.pop_first();
            }
        }
        self.last_report = self.last_report.wrapping_add(1);
        let kept = Kept {
            report,
            taken,
            said: None,
            since: now,
        };
        self.reports.insert(self.last_report, kept);
    }

    /// Reports to be said now, oldest first, under these ids. `rides`: something else is about to
    /// be said, and what was said sooner must be heard sooner.
    pub(crate) fn due(&mut self, now: BootMs, rides: bool) -> Vec<(u64, GuardRequest)> {
        let mut due = Vec::new();
        for kept in self.reports.values_mut() {
            let at = kept.due();
            if at > now && !(rides && kept.said.is_none()) {
                continue;
            }
            self.last_id = self.last_id.wrapping_add(1);
            kept.said = Some((self.last_id, now));
            due.push((self.last_id, kept.report.request()));
        }
        due
    }

    /// When a report is to be said again; `None` if none waits.
    pub(crate) fn deadline(&self) -> Option<BootMs> {
        self.reports.values().map(Kept::due).min()
    }

    /// Takes an answer. An approval that nobody waits for any more is never sent; that is kept as
    /// a report of its own. What the acknowledgement of a report tells beyond that it was taken.
    pub(crate) fn answered(&mut self, id: u64, reply: GuardReply, now: BootMs) -> Option<Learnt> {
        if let GuardReply::Decision(Decision::Approved(approval)) = &reply {
            self.known.insert(approval.approval_id);
        }
        if let Some(question) = self.questions.remove(&id) {
            if let Err(GuardReply::Decision(Decision::Approved(approval))) = question.send(reply) {
                self.never_sent(&approval, "the approval came too late", now);
            }
            return None;
        }
        let learnt = match reply {
            GuardReply::Done(_) => None,
            GuardReply::Stands(stands) => Some(Learnt::Stands(stands)),
            GuardReply::ExitTaken(approval) => {
                self.known.insert(approval.approval_id);
                Some(Learnt::ExitTaken(Box::new(approval)))
            }
            // An error leaves the report where it is: it is said again.
            GuardReply::Welcome(_)
            | GuardReply::Decision(_)
            | GuardReply::Status(_)
            | GuardReply::VerbDone(_)
            | GuardReply::Store(_)
            | GuardReply::Error(_) => return None,
        };
        self.reports.retain(|_, kept| {
            let over = kept.said.is_some_and(|(said, _)| said == id);
            if over && let Some(taken) = kept.taken.take() {
                // Whoever waited may have given up.
                let _heard = taken.send(()).is_ok();
            }
            !over
        });
        learnt
    }

    /// The guard has welcomed this gateway with these approvals without an outcome. Those that
    /// nobody here can have sent are reported so; the rest is to be looked up.
    pub(crate) fn welcomed(&mut self, unresolved: Vec<Approval>, now: BootMs) -> Vec<Approval> {
        let first = !std::mem::replace(&mut self.welcomed, true);
        let mut to_look_up = Vec::new();
        for approval in unresolved {
            let alone = self.alone.contains(&approval.intent.intent_id);
            if first || alone || self.known.contains(&approval.approval_id) {
                self.known.insert(approval.approval_id);
                to_look_up.push(approval);
            } else {
                self.never_sent(&approval, "the approval never arrived", now);
            }
        }
        to_look_up
    }

    /// The connection has ended: no question will be answered, every report is said again.
    pub(crate) fn lost(&mut self) {
        self.questions.clear();
        for kept in self.reports.values_mut() {
            kept.said = None;
        }
    }

    /// Unless an exit of the same intent went without it: that one's own report tells.
    fn never_sent(&mut self, approval: &Approval, why: &str, now: BootMs) {
        if self.alone.contains(&approval.intent.intent_id) {
            return;
        }
        let approval_id = approval.approval_id;
        let outcome = Outcome::NotSent {
            why: why.to_owned(),
        };
        let report = OutcomeReport {
            approval_id,
            outcome,
            signed_at: None,
        };
        self.keep(Report::Outcome(report), now);
    }

    fn next_id(&mut self) -> u64 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::frame::{Empty, ErrorBody, ErrorCode};
    use protocol::{CommandId, Generation, Intent, OrderLinkId};

    fn approval(n: u64) -> Approval {
        let intent = r#"{"intent_id":"i","at":1,"symbol":"SOLUSDT","side":"buy","order_type":"market","qty":"1"}"#;
        let intent: Intent = serde_json::from_str(intent).unwrap();
        Approval {
            approval_id: ApprovalId(n),
            link_id: OrderLinkId::new("pg-1").unwrap(),
            intent,
            opens: true,
            expires: BootMs(1),
            generation: Generation(1),
        }
    }

    fn decided(n: u64) -> GuardReply {
        GuardReply::Decision(Decision::Approved(approval(n)))
    }

    fn result() -> Report {
        Report::Command(CommandResult {
            command_id: CommandId(1),
            done: true,
            message: String::new(),
            refused: false,
        })
    }

    #[test]
    fn a_report_is_said_until_it_is_acknowledged() {
        let mut dialogue = Dialogue::default();
        dialogue.keep(result(), BootMs(0));
        let first = dialogue.due(BootMs(0), true);
        assert_eq!(first.len(), 1);
        assert!(dialogue.due(BootMs(999), true).is_empty());
        let second = dialogue.due(BootMs(1000), false);
        assert_ne!(first[0].0, second[0].0);
        dialogue.lost();
        let third = dialogue.due(BootMs(1001), false);
        assert_eq!(third.len(), 1, "a new connection hears it at once");
        dialogue.answered(third[0].0, GuardReply::Done(Empty {}), BootMs(1001));
        assert_eq!(dialogue.deadline(), None);
    }

    #[test]
    fn who_waits_for_a_report_hears_when_the_guard_has_it_and_not_before() {
        let mut dialogue = Dialogue::default();
        let (taken, mut heard) = oneshot::channel();
        dialogue.keep_and_tell(result(), Some(taken), BootMs(0));
        let said = dialogue.due(BootMs(0), false);
        let not_yet = GuardReply::Error(ErrorBody::new(ErrorCode::NotReady, "not on disk"));
        dialogue.answered(said[0].0, not_yet, BootMs(0));
        dialogue.lost();
        assert_eq!(heard.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        let again = dialogue.due(BootMs(1), false);
        dialogue.answered(again[0].0, GuardReply::Done(Empty {}), BootMs(1));
        assert_eq!(heard.try_recv(), Ok(()));
    }

    #[test]
    fn a_new_report_waits_for_company_but_not_for_long() {
        let mut dialogue = Dialogue::default();
        dialogue.keep(result(), BootMs(10));
        assert!(dialogue.due(BootMs(10), false).is_empty());
        assert_eq!(dialogue.deadline(), Some(BootMs(11)));
        assert_eq!(dialogue.due(BootMs(11), false).len(), 1);
        dialogue.keep(result(), BootMs(11));
        let due = dialogue.due(BootMs(11), true);
        assert_eq!(due.len(), 1, "what was said already does not ride again");
    }

    #[test]
    fn an_approval_that_nobody_waits_for_is_reported_as_never_sent() {
        let mut dialogue = Dialogue::default();
        let (tell, hear) = oneshot::channel();
        let id = dialogue.ask(tell);
        drop(hear);
        dialogue.answered(id, decided(7), BootMs(0));
        let due = dialogue.due(BootMs(0), true);
        let GuardRequest::Outcome(report) = &due[0].1 else {
            panic!("{due:?}")
        };
        assert_eq!(report.approval_id, ApprovalId(7));
        assert!(matches!(report.outcome, Outcome::NotSent { .. }));
    }

    #[test]
    fn a_welcome_tells_what_was_sent_from_what_cannot_have_been() {
        let mut dialogue = Dialogue::default();
        assert_eq!(
            dialogue.welcomed(vec![approval(1)], BootMs(0)).len(),
            1,
            "an earlier gateway's"
        );
        let (tell, mut hear) = oneshot::channel();
        let id = dialogue.ask(tell);
        dialogue.answered(id, decided(2), BootMs(0));
        assert!(hear.try_recv().is_ok());
        dialogue.lost();
        let again = dialogue.welcomed(vec![approval(1), approval(2), approval(3)], BootMs(0));
        let ids: Vec<u64> = again.iter().map(|a| a.approval_id.0).collect();
        assert_eq!(ids, [1, 2]);
        let due = dialogue.due(BootMs(0), true);
        let GuardRequest::Outcome(report) = &due[0].1 else {
            panic!("{due:?}")
        };
        assert_eq!(report.approval_id, ApprovalId(3));
    }

    #[test]
    fn an_exit_that_went_alone_is_never_called_unsent() {
        let mut dialogue = Dialogue::default();
        assert!(dialogue.welcomed(Vec::new(), BootMs(0)).is_empty());
        let exit = ExitReport {
            intent: approval(1).intent,
            link_id: approval(1).link_id,
            outcome: Outcome::Pending,
            signed_at: None,
        };
        dialogue.keep(Report::Exit(Box::new(exit)), BootMs(0));
        assert_eq!(dialogue.welcomed(vec![approval(1)], BootMs(0)).len(), 1);
        let (tell, hear) = oneshot::channel();
        let id = dialogue.ask(tell);
        drop(hear);
        dialogue.answered(id, decided(2), BootMs(0));
        let due = dialogue.due(BootMs(0), true);
        assert_eq!(due.len(), 1, "{due:?}");
        let learnt = dialogue.answered(due[0].0, GuardReply::ExitTaken(approval(9)), BootMs(0));
        assert_eq!(learnt, Some(Learnt::ExitTaken(Box::new(approval(9)))));
        assert_eq!(dialogue.deadline(), None);
    }
}
