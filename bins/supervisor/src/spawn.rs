//! Starting processes: the one thread that spawns, which never ends, because a parent-death signal
//! is bound to the thread that spawned; and what each child is given. `reap` waits for their ends.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::{self, Write as _};
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use daemon::environment;
use daemon::sandbox::{self, Rules};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::Pid;
use protocol::control::inherited;
use protocol::{Generation, Mode, Process};
use tokio::sync::oneshot;

use crate::bot_user;
use crate::lifecycle::Exit;
use crate::reap::Reaper;

/// Where the inherited descriptors stand in a child.
const CONTROL: i32 = 3;
const LOG: i32 = 4;
const LISTEN: i32 = 5;

/// What a child passes on from our own environment, keys excepted.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "RUST_BACKTRACE"];

/// Where the service manager puts credentials; only the gateway sees it, as it alone sees the
/// variables that hold keys.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Where the gateway's keys may come from; nobody else sees these.
fn key_variables() -> impl Iterator<Item = &'static str> {
    let pairs = config::VenueName::ALL
        .into_iter()
        .flat_map(|venue| [Mode::Testnet, Mode::Mainnet].map(|mode| venue.key_variables(mode)));
    pairs
        .flat_map(|pair| [pair.key, pair.secret])
        .chain([CREDENTIALS])
}

/// What whoever started us left open besides the first three is not for those whom we start. Call it
/// before anything of ours is open.
pub(crate) fn keep_what_was_left_open() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|number| *number > 2) {
            // SAFETY: borrowed for one call, which does no more than fail if nobody has it.
            #[expect(unsafe_code, reason = "the kernel lists descriptors as bare numbers")]
            let left = unsafe { BorrowedFd::borrow_raw(number) };
            fcntl(left, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        }
    }
    Ok(())
}

/// A process to be started.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) process: Process,
    /// Which of its child's processes this is.
    pub(crate) number: u64,
    /// What stands on its control channel when it is born: the config to prepare.
    pub(crate) words: Vec<u8>,
    /// The generation of that config.
    pub(crate) asked: Generation,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) dir: PathBuf,
    pub(crate) listener: Option<UnixListener>,
    /// It is going to be a bot under another user: its launcher needs our capabilities.
    pub(crate) other_user: bool,
}

/// A started process and our ends of its channels.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: u32,
    /// What it runs.
    pub(crate) program: Program,
    /// The generation that it has been asked to prepare.
    pub(crate) asked: Generation,
    /// Absent for the bot, which speaks no control protocol.
    pub(crate) control: Option<UnixStream>,
    /// Structured log records; absent for the bot.
    pub(crate) log: Option<OwnedFd>,
    /// What it prints, panics included.
    pub(crate) output: Vec<OwnedFd>,
    /// Its end, once.
    pub(crate) exit: oneshot::Receiver<Exit>,
}

/// Tells a program's file from one that was put in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    path: PathBuf,
    /// Device, number and last change; `None` if the file cannot be looked at.
    file: Option<(u64, u64, i64, i64)>,
}

impl Program {
    /// The file that stands there now.
    pub(crate) fn at(path: &Path) -> Self {
        let file = std::fs::metadata(path)
            .ok()
            .map(|file| (file.dev(), file.ino(), file.ctime(), file.ctime_nsec()));
        Self {
            path: path.to_owned(),
            file,
        }
    }

    /// Whether it is still what stands under its name.
    pub(crate) fn is_current(&self) -> bool {
        *self == Self::at(&self.path)
    }
}

/// The spawning thread.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    orders: mpsc::Sender<Order>,
    reaper: Reaper,
}

impl Spawner {
    /// Begins the thread; it ends with the supervisor. What it has started, or could not, it tells.
    pub(crate) fn begin(
        reaper: Reaper,
        tell: impl Fn(Process, u64, io::Result<Spawned>) + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, taken) = mpsc::channel::<Order>();
        let ours = reaper.clone();
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                // The kernel offers the end of a child to the thread that started it first; here
                // it would only wake one thread more. Every child begins with an empty mask.
                SigSet::from(Signal::SIGCHLD).thread_block().ok();
                for order in taken {
                    let (process, number) = (order.process, order.number);
                    tell(process, number, spawn(order, &ours));
                }
            })?;
        Ok(Self { orders, reaper })
    }

    /// Starts a process; how that went is told.
    pub(crate) fn spawn(&self, order: Order) -> io::Result<()> {
        let gone = |_| io::Error::other("the spawning thread has ended");
        self.orders.send(order).map_err(gone)
    }

    /// Who takes note of the ends of what is started here.
    pub(crate) fn reaper(&self) -> Reaper {
        self.reaper.clone()
    }

    /// Whether a process has not ended, as far as anybody has looked.
    pub(crate) fn holds(&self, pid: u32) -> bool {
        self.reaper.holds(pid)
    }
}

fn spawn(order: Order, reaper: &Reaper) -> io::Result<Spawned> {
    if order.process == Process::Bot {
        spawn_bot(&order, reaper)
    } else {
        spawn_own(order, reaper)
    }
}

/// Starts a process of ours. It goes to its directory itself, so that nothing has to run between
/// the fork and the program: `posix_spawn` copies no memory of ours for that.
fn spawn_own(order: Order, reaper: &Reaper) -> io::Result<Spawned> {
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.write_all(&order.words)?;
    let pipe = || nix::unistd::pipe2(OFlag::O_CLOEXEC);
    let ((log, log_end), (out, out_end), (err, err_end)) = (pipe()?, pipe()?, pipe()?);
    let mut environment = passed_on(&order);
    let mut give = |name: &str, fd: i32| {
        environment.insert(name.to_owned(), fd.to_string());
    };
    give(inherited::CONTROL_FD, CONTROL);
    give(inherited::LOG_FD, LOG);
    let mut given = vec![
        (OwnedFd::from(std::fs::File::open("/dev/null")?), 0),
        (out_end, 1),
        (err_end, 2),
        (OwnedFd::from(theirs), CONTROL),
        (log_end, LOG),
    ];
    if let Some(listener) = order.listener {
        give(inherited::LISTEN_FD, LISTEN);
        given.push((OwnedFd::from(listener), LISTEN));
    }
    if order.process == Process::Gateway {
        let keys =
            key_variables().filter_map(|name| Some((name.to_owned(), environment::text(name)?)));
        environment.extend(keys);
    }
    let mut actions = PosixSpawnFileActions::init()?;
    let mut kept = Vec::new();
    for (fd, place) in given {
        // Out of the way of the places themselves.
        let raw = fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(LISTEN + 1))?;
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows of it.
        #[expect(unsafe_code, reason = "nix gives a duplicate as a bare number")]
        kept.push(unsafe { OwnedFd::from_raw_fd(raw) });
        actions.add_dup2(raw, place)?;
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_pgroup(Pid::from_raw(0))?;
    attributes.set_sigmask(&SigSet::empty())?;
    // Rust programs ignore it; what they start should not.
    attributes.set_sigdefault(&SigSet::from(Signal::SIGPIPE))?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETPGROUP
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK
            | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF,
    )?;
    let text = |bytes: &[u8]| CString::new(bytes).map_err(io::Error::other);
    let program = order.program.as_os_str().as_bytes();
    let arguments = std::iter::once(program).chain(order.arguments.iter().map(String::as_bytes));
    let arguments = arguments.map(text).collect::<io::Result<Vec<_>>>()?;
    let variables = environment
        .iter()
        .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
        .collect::<io::Result<Vec<_>>>()?;
    // Before it is run: what is put in its place meanwhile is another one.
    let file = Program::at(&order.program);
    bot_user::hand_down(false)?;
    let (pid, exit) = reaper.start(|| {
        let pid = posix_spawn(
            &*order.program,
            &actions,
            &attributes,
            &arguments,
            &variables,
        )?;
        Ok((u32::try_from(pid.as_raw()).unwrap_or(0), ()))
    })?;
    Ok(Spawned {
        pid: pid.0,
        program: file,
        asked: order.asked,
        control: Some(ours),
        log: Some(log),
        output: vec![out, err],
        exit,
    })
}

/// What a process gets of our own environment, and what is said to it.
fn passed_on(order: &Order) -> BTreeMap<String, String> {
    let own = PASSED_ON
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), environment::text(name)?)));
    let mut all: BTreeMap<String, String> = own.collect();
    all.extend(order.environment.clone());
    all.insert(inherited::DIR.to_owned(), order.dir.display().to_string());
    all
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the room that spawns the children"
)]
fn spawn_bot(order: &Order, reaper: &Reaper) -> io::Result<Spawned> {
    let mut command = Command::new(&order.program);
    command
        .args(&order.arguments)
        .current_dir(&order.dir)
        .process_group(0)
        .env_clear()
        .envs(passed_on(order))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Before it is run: what is put in its place meanwhile is another one.
    let program = Program::at(&order.program);
    bot_user::hand_down(order.other_user)?;
    let started = reaper.start(|| {
        let child = command.spawn()?;
        Ok((child.id(), child))
    });
    bot_user::hand_down(false)?;
    let ((pid, mut child), exit) = started?;
    let pipes = child.stdout.take().zip(child.stderr.take());
    let (out, err) = pipes.ok_or_else(|| io::Error::other("no pipes"))?;
    Ok(Spawned {
        pid,
        program,
        asked: order.asked,
        control: None,
        log: None,
        output: vec![OwnedFd::from(out), OwnedFd::from(err)],
        exit,
    })
}

/// A program of the harness: beside the supervisor's own.
pub(crate) fn sibling(name: &str) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    if path.is_file() {
        Ok(path)
    } else {
        let why = format!(
            "{} is missing; the harness's programs belong side by side",
            path.display()
        );
        Err(io::Error::new(io::ErrorKind::NotFound, why))
    }
}

/// In place of a user's name: the bot stays what we are.
pub(crate) const OWN_USER: &str = "-";

/// The bot's way into the world: becomes its user, asks the kernel to end it with the supervisor,
/// locks itself up, then becomes the bot. Returns only if one of these failed.
#[expect(clippy::disallowed_methods, reason = "becoming the bot is spawning it")]
pub(crate) fn become_bot(arguments: &[String]) -> io::Error {
    let [parent, user, program, rest @ ..] = arguments else {
        return io::Error::other("no command");
    };
    // The spawning thread's mask came along.
    if let Err(e) = SigSet::empty().thread_set_mask() {
        return e.into();
    }
    let mut command = Command::new(program);
    command.args(rest);
    if user != OWN_USER {
        match bot_user::become_user(user) {
            Ok(home) => at_home(&mut command, user, &home),
            Err(error) => return error,
        }
    }
    // A change of the user takes this back, so it comes after.
    if let Err(e) = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL) {
        return e.into();
    }
    // A parent that died before the line above has left us to somebody else.
    if nix::unistd::getppid().to_string() != *parent {
        return io::Error::other("the supervisor is gone");
    }
    // It has no log of ours yet; what it prints goes into its own.
    for lack in sandbox::enter(&Rules::of_bot()).lacks {
        writeln!(io::stderr(), "not locked up as far as it could be: {lack}").ok();
    }
    command.exec()
}

/// Another user begins in its own home, or at the root if it has none.
fn at_home(command: &mut Command, user: &str, home: &Path) {
    command
        .env("HOME", home)
        .env("USER", user)
        .env("LOGNAME", user);
    let entered = std::env::set_current_dir(home).or_else(|_| std::env::set_current_dir("/"));
    if let Err(error) = entered {
        writeln!(io::stderr(), "the working directory stays: {error}").ok();
    }
}
