//! A sidecar's side of the control channel (`protocol::control` has the picture).
//!
//! [`Steps`] is the pure part: which order changes what. [`Control`] is the channel for the guard's
//! own loop (non-blocking, its descriptor can be polled), [`Child`] the same for tokio.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use protocol::Generation;
use protocol::control::{Heartbeat, Order, Prepare, Refused, Report, Standing};
use protocol::frame::{self, Empty, Envelope, Head};
use tokio::io::AsyncReadExt;

use crate::lines::Lines;
use crate::logging;

/// What the supervisor's next order means for this process.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// Put this config in force; then say [`Report::Applied`].
    Apply(Generation, T),
    /// End in order: the supervisor says so, or is gone.
    Stop,
}

/// The two phases of a config, as a state machine: what is prepared, and what follows.
#[derive(Debug)]
pub struct Steps<T> {
    prepared: Option<(Generation, T)>,
}

impl<T> Default for Steps<T> {
    fn default() -> Self {
        Self { prepared: None }
    }
}

impl<T> Steps<T> {
    /// What an order brings: an answer to send, or a step to take. `check` looks at a config and
    /// changes nothing.
    pub fn on(
        &mut self,
        order: Order,
        check: impl FnOnce(&Prepare) -> Result<T, String>,
    ) -> (Option<Report>, Option<Step<T>>) {
        match order {
            Order::Prepare(prepare) => {
                let generation = prepare.generation;
                let report = match check(&prepare) {
                    Ok(checked) => {
                        self.prepared = Some((generation, checked));
                        Report::Prepared(generation)
                    }
                    Err(reason) => Report::Refused(Refused { generation, reason }),
                };
                (Some(report), None)
            }
            Order::Commit(generation) => match self.prepared.take() {
                Some((prepared, checked)) if prepared == generation => {
                    (None, Some(Step::Apply(generation, checked)))
                }
                other => {
                    self.prepared = other;
                    let reason = format!("{generation} was never prepared here");
                    (Some(Report::Refused(Refused { generation, reason })), None)
                }
            },
            Order::Abort(generation) => {
                self.prepared
                    .take_if(|(prepared, _)| *prepared == generation);
                (None, None)
            }
            Order::Stop(_) => (None, Some(Step::Stop)),
        }
    }
}

/// The channel without tokio: non-blocking, made to be polled.
#[derive(Debug)]
pub struct Control {
    stream: UnixStream,
    lines: Lines,
    unsent: Vec<u8>,
}

impl Control {
    /// Takes the inherited channel.
    pub fn over(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            lines: Lines::new(),
            unsent: Vec::new(),
        })
    }

    /// The orders that have come; `None` once the supervisor is gone.
    pub fn orders(&mut self) -> Option<Vec<Order>> {
        let mut bytes = [0; 16 * 1024];
        let mut open = true;
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    open = false;
                    break;
                }
                Ok(n) => self.lines.push(bytes.get(..n).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    open = false;
                    break;
                }
            }
        }
        let mut orders = Vec::new();
        while let Some(line) = self.lines.next() {
            match line.and_then(|line| Envelope::read(line)?.message::<Order>()) {
                Ok(order) => orders.push(order),
                Err(error) => tracing::error!("control channel: {error}"),
            }
        }
        (open || !orders.is_empty()).then_some(orders)
    }

    /// Tells the supervisor something; what does not go out at once goes with the next report.
    pub fn report(&mut self, report: &Report) {
        if let Err(error) = frame::write(Head::push(), report, &mut self.unsent) {
            tracing::error!("control channel: {error}");
        }
        self.flush();
    }

    /// Says that this generation is in force and that this process serves.
    pub fn ready(&mut self, generation: Generation) {
        queue_ready(generation, &mut self.unsent);
        self.flush();
        std::thread::yield_now();
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(n @ 1..) => drop(self.unsent.drain(..n)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                // A full channel waits for the next report; a closed one is seen when reading.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// A sign of life. Left out while earlier words have not gone out.
    pub fn heartbeat(&mut self, beat: Beat<'_>) {
        if self.unsent.is_empty() {
            self.report(&heartbeat(beat));
        } else {
            self.flush();
        }
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The channel for a tokio process, with the two phases already played.
#[derive(Debug)]
pub struct Child<T> {
    stream: tokio::net::UnixStream,
    lines: Lines,
    /// For one read; not in [`next`](Self::next), which is begun anew all the time.
    bytes: Vec<u8>,
    unsent: Vec<u8>,
    steps: Steps<T>,
}

impl<T> Child<T> {
    /// Takes the inherited channel. Needs a tokio runtime.
    pub fn over(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(stream)?;
        Ok(Self {
            stream,
            lines: Lines::new(),
            bytes: vec![0; 16 * 1024],
            unsent: Vec::new(),
            steps: Steps::default(),
        })
    }

    /// Waits for the next step, answering everything that only needs an answer. Safe to drop and
    /// call again (in `select!`): nothing read is lost.
    pub async fn next(&mut self, check: impl Fn(&Prepare) -> Result<T, String>) -> Step<T> {
        loop {
            while let Some(order) = self.queued() {
                let (answer, step) = self.steps.on(order, &check);
                if let Some(answer) = answer {
                    self.report(&answer);
                }
                if let Some(step) = step {
                    return step;
                }
            }
            match self.stream.read(&mut self.bytes).await {
                Ok(0) | Err(_) => return Step::Stop,
                Ok(n) => self.lines.push(self.bytes.get(..n).unwrap_or_default()),
            }
        }
    }

    /// Tells the supervisor something, and never waits for it: what does not go out at once goes
    /// with the next report. A supervisor that is stopped must not stop us.
    pub fn report(&mut self, report: &Report) {
        if let Err(error) = frame::write(Head::push(), report, &mut self.unsent) {
            tracing::error!("control channel: {error}");
        }
        self.flush();
    }

    /// Says that this generation is in force and that this process serves.
    pub fn ready(&mut self, generation: Generation) {
        queue_ready(generation, &mut self.unsent);
        self.flush();
        std::thread::yield_now();
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            // Past tokio, which writes nothing before it has seen that there is room.
            match nix::unistd::write(&self.stream, &self.unsent) {
                Ok(n @ 1..) => drop(self.unsent.drain(..n)),
                Err(nix::errno::Errno::EINTR) => {}
                // A full channel waits for the next report; a closed one is seen when reading.
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// A sign of life from the main loop. Left out while earlier words have not gone out.
    pub fn heartbeat(&mut self, beat: Beat<'_>) {
        if self.unsent.is_empty() {
            self.report(&heartbeat(beat));
        } else {
            self.flush();
        }
    }

    fn queued(&mut self) -> Option<Order> {
        loop {
            match self
                .lines
                .next()?
                .and_then(|line| Envelope::read(line)?.message::<Order>())
            {
                Ok(order) => return Some(order),
                Err(error) => tracing::error!("control channel: {error}"),
            }
        }
    }
}

/// Both in one write, so that the supervisor is woken once. Whoever says it then lets the supervisor
/// go first where that stands in line for the same core: others wait for this word.
fn queue_ready(generation: Generation, unsent: &mut Vec<u8>) {
    for report in [Report::Applied(generation), Report::Ready(Empty {})] {
        if let Err(error) = frame::write(Head::push(), &report, unsent) {
            tracing::error!("control channel: {error}");
        }
    }
}

/// What a main loop says of itself in a sign of life.
#[derive(Debug, Clone)]
pub struct Beat<'a> {
    /// Turns so far.
    pub progress: u64,
    /// What it waits for, for people; empty if nothing.
    pub waiting_for: &'a str,
    /// It has had everything it needs at least once in this life.
    pub settled: bool,
    /// How trading stands; the guard alone knows.
    pub standing: Option<Standing>,
}

fn heartbeat(beat: Beat<'_>) -> Report {
    Report::Heartbeat(Heartbeat {
        progress: beat.progress,
        waiting_for: beat.waiting_for.to_owned(),
        settled: beat.settled,
        dropped_lines: logging::dropped(),
        standing: beat.standing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Mode;
    use protocol::frame::Empty;

    fn prepare(n: u64) -> Order {
        Order::Prepare(Prepare {
            generation: Generation(n),
            file: "f.yaml".into(),
            path: "g.yaml".into(),
            mode: Mode::Testnet,
        })
    }

    #[test]
    fn only_what_was_prepared_is_applied() {
        let mut steps = Steps::default();
        assert_eq!(
            steps.on(prepare(1), |_| Ok(11)),
            (Some(Report::Prepared(Generation(1))), None)
        );
        let (answer, step) = steps.on(Order::Commit(Generation(2)), |_| Ok(0));
        assert!(matches!(answer, Some(Report::Refused(_))) && step.is_none());
        let (_, step) = steps.on(Order::Commit(Generation(1)), |_| Ok(0));
        assert_eq!(step, Some(Step::Apply(Generation(1), 11)));
        let (answer, _) = steps.on(Order::Commit(Generation(1)), |_| Ok(0));
        assert!(
            matches!(answer, Some(Report::Refused(_))),
            "a commit counts once"
        );
    }

    #[test]
    fn an_aborted_generation_is_forgotten() {
        let mut steps = Steps::default();
        steps.on(prepare(1), |_| Ok(11));
        steps.on(Order::Abort(Generation(1)), |_| Ok(0));
        let (answer, step) = steps.on(Order::Commit(Generation(1)), |_| Ok(0));
        assert!(matches!(answer, Some(Report::Refused(_))) && step.is_none());
    }

    #[test]
    fn a_refusal_keeps_what_was_prepared_before() {
        let mut steps = Steps::default();
        steps.on(prepare(1), |_| Ok(11));
        let (answer, _) = steps.on(prepare(2), |_| Err("no".into()));
        assert!(matches!(answer, Some(Report::Refused(_))));
        let (_, step) = steps.on(Order::Commit(Generation(1)), |_| Ok(0));
        assert_eq!(step, Some(Step::Apply(Generation(1), 11)));
        assert_eq!(
            steps.on(Order::Stop(Empty {}), |_| Ok(0)).1,
            Some(Step::Stop)
        );
    }

    #[tokio::test]
    async fn a_supervisor_that_does_not_read_holds_nobody_up() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut child = Child::<()>::over(ours).unwrap();
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let mut control = Control::over(ours).unwrap();
        for n in 0..20_000 {
            let beat = Beat {
                progress: n,
                waiting_for: "something long enough to fill the channel soon",
                settled: true,
                standing: None,
            };
            child.heartbeat(beat.clone());
            control.heartbeat(beat);
        }
        let most = 1024;
        assert!(
            child.unsent.len() < most && control.unsent.len() < most,
            "bounded"
        );
        child.report(&Report::Applied(Generation(7)));
        // Once it reads again, every line is whole and the report was kept.
        theirs.set_nonblocking(true).unwrap();
        let mut text = String::new();
        let mut bytes = [0; 1 << 14];
        while !text.contains("applied") {
            if let Ok(n @ 1..) = (&theirs).read(&mut bytes) {
                text.push_str(std::str::from_utf8(&bytes[..n]).unwrap());
            }
            child.flush();
        }
        let whole = |line: &str| {
            let envelope = Envelope::read(line.as_bytes()).unwrap();
            envelope.message::<Report>().unwrap()
        };
        let last = text.lines().map(whole).next_back();
        assert_eq!(last, Some(Report::Applied(Generation(7))));
    }

    #[test]
    fn the_channel_carries_orders_until_the_supervisor_is_gone() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut control = Control::over(ours).unwrap();
        assert_eq!(control.orders().map(|o| o.len()), Some(0));
        let mut bytes = Vec::new();
        frame::write(Head::push(), &prepare(1), &mut bytes).unwrap();
        frame::write(Head::push(), &Order::Stop(Empty {}), &mut bytes).unwrap();
        theirs.write_all(&bytes).unwrap();
        drop(theirs);
        assert_eq!(
            control.orders().map(|o| o.len()),
            Some(2),
            "what came before the end counts"
        );
        assert!(control.orders().is_none());
    }
}
