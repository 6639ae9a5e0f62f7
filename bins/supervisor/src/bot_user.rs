//! A bot under a Unix user of its own (`bot.user`): who that is, whether we may start it, how a
//! process becomes it, and what it can reach.
//!
//! The bot reaches `gateway.sock` and nothing else: run/ lets everybody through but lists nothing,
//! every other socket is ours alone, and each socket asks the kernel who is at the other end. The
//! capabilities that it takes are the supervisor's; the thread that spawns raises them for the bot's
//! launcher alone, so no other process of the harness ever holds one.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use daemon::deployment::Deployment;
use nix::libc;
use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setuid};
use thiserror::Error;

/// Changing the user, its groups, and ending its processes: bits of the kernel's capability sets.
const SETGID: u8 = 6;
const SETUID: u8 = 7;
const KILL: u8 = 5;

/// Why the bot cannot run under its user.
#[derive(Debug, Error)]
pub(crate) enum BotUserError {
    #[error("bot.user: there is no user {0:?} on this host; create it, or correct the name")]
    Unknown(String),
    #[error("bot.user: root may do everything; give the bot a user of its own")]
    Root,
    #[error(
        "bot.user: only root, or a supervisor with CAP_SETUID, CAP_SETGID and CAP_KILL, can start a bot as {0}; systemd/README.md says how a service gets them, or remove the key and trust the bot"
    )]
    NoRight(String),
    #[error(
        "bot.user: {user} cannot pass through {dir} to reach gateway.sock; chmod o+x {dir}, or choose another --dir"
    )]
    Unreachable { user: String, dir: String },
}

/// Why run/ cannot be opened to those who may come in.
#[derive(Debug, Error)]
pub(crate) enum DoorError {
    #[error(transparent)]
    User(#[from] BotUserError),
    #[error("{path}: its mode cannot be set")]
    Mode {
        path: String,
        #[source]
        source: io::Error,
    },
}

impl DoorError {
    fn of(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.display().to_string();
        |source| Self::Mode { path, source }
    }
}

/// Whether a bot can be started as this user; nothing to do for our own user.
pub(crate) fn admit(name: &str) -> Result<(), BotUserError> {
    let user = look_up(name)?;
    if user.uid.is_root() {
        return Err(BotUserError::Root);
    }
    if is_ours(&user) || geteuid().is_root() || holds(&[SETUID, SETGID, KILL]) {
        Ok(())
    } else {
        Err(BotUserError::NoRight(name.to_owned()))
    }
}

/// Who besides ourselves comes in at which socket: `bot.user` at `gateway.sock`, the operators' group
/// at all but `alerts.sock`. Whoever passes through run/ is asked for by the socket's owner, who
/// knows the user from the kernel; the modes only spare the others the question.
pub(crate) fn open_doors(
    deployment: &Deployment,
    bot: Option<&str>,
    operators: bool,
) -> Result<(), DoorError> {
    let bot = bot.map(look_up).transpose()?.filter(|user| !is_ours(user));
    let run = deployment.run_dir();
    if let Some(user) = &bot {
        let real = run.canonicalize().map_err(DoorError::of(&run))?;
        if let Some(dir) = closed(&real, user) {
            return Err(DoorError::User(BotUserError::Unreachable {
                user: user.name.clone(),
                dir: dir.display().to_string(),
            }));
        }
    }
    let someone = operators || bot.is_some();
    let socket = |open| if open { 0o666 } else { 0o600 };
    let modes = [
        (run, if someone { 0o711 } else { 0o700 }),
        (deployment.gateway_socket(), socket(someone)),
        (deployment.guard_socket(), socket(operators)),
        (deployment.supervisor_socket(), socket(operators)),
    ];
    for (path, mode) in modes {
        let set = fs::set_permissions(&path, fs::Permissions::from_mode(mode));
        set.map_err(DoorError::of(&path))?;
    }
    Ok(())
}

/// The first directory above `path` that the user cannot pass through.
fn closed(path: &Path, user: &User) -> Option<PathBuf> {
    let above: Vec<&Path> = path.ancestors().skip(1).collect();
    let passable = |dir: &Path| {
        let Ok(meta) = fs::metadata(dir) else {
            return false;
        };
        let bit = if meta.uid() == user.uid.as_raw() {
            0o100
        } else if meta.gid() == user.gid.as_raw() {
            0o010
        } else {
            0o001
        };
        meta.mode() & bit != 0
    };
    let closed = above.into_iter().rev().find(|dir| !passable(dir));
    closed.map(Path::to_path_buf)
}

/// The config in force where this user can read it; the accepted generations are ours alone.
pub(crate) fn config_copy(run: &Path, generation: &Path) -> io::Result<PathBuf> {
    let path = run.join("bot.yaml");
    let fresh = path.with_extension("yaml.new");
    fs::copy(generation, &fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o644))?;
    fs::rename(&fresh, &path)?;
    Ok(path)
}

/// Whether the bot runs under another user than we do.
pub(crate) fn is_another(name: &str) -> bool {
    look_up(name).is_ok_and(|user| !is_ours(&user))
}

/// This process becomes that user, with its groups and its home, and cannot go back.
pub(crate) fn become_user(name: &str) -> io::Result<PathBuf> {
    let user = look_up(name).map_err(io::Error::other)?;
    if !is_ours(&user) {
        let text = std::ffi::CString::new(user.name.clone())?;
        initgroups(&text, user.gid)?;
        setgid(user.gid)?;
        setuid(user.uid)?;
        ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
        if Uid::effective() != user.uid || Gid::effective() != user.gid {
            return Err(io::Error::other("the user has not changed"));
        }
    }
    Ok(user.dir)
}

/// What the calling thread starts from now on inherits our capabilities, or none of them. Root needs
/// no such word.
pub(crate) fn hand_down(capabilities: bool) -> io::Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    ambient(libc::PR_CAP_AMBIENT_CLEAR_ALL, 0)?;
    if capabilities {
        ambient(libc::PR_CAP_AMBIENT_RAISE, SETUID)?;
        ambient(libc::PR_CAP_AMBIENT_RAISE, SETGID)?;
    }
    Ok(())
}

fn look_up(name: &str) -> Result<User, BotUserError> {
    let unknown = || BotUserError::Unknown(name.to_owned());
    User::from_name(name).ok().flatten().ok_or_else(unknown)
}

fn is_ours(user: &User) -> bool {
    user.uid == geteuid()
}

/// Whether this thread's effective set holds all of these.
fn holds(wanted: &[u8]) -> bool {
    let text = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let set = text.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    let set = set.unwrap_or(0);
    wanted.iter().all(|bit| set & (1 << bit) != 0)
}

fn ambient(what: libc::c_int, capability: u8) -> io::Result<()> {
    let what = libc::c_ulong::from(what.unsigned_abs());
    let capability = libc::c_ulong::from(capability);
    // SAFETY: PR_CAP_AMBIENT takes numbers alone and touches no memory (capabilities(7)).
    #[expect(unsafe_code, reason = "nix has no word for the ambient set")]
    let done = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, what, capability, 0, 0) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_users_and_root_are_refused_with_a_sentence() {
        let told = admit("no-such-user-here").unwrap_err().to_string();
        assert!(told.contains("no-such-user-here"), "{told}");
        assert!(admit("root").unwrap_err().to_string().contains("root"));
    }

    #[test]
    fn the_first_closed_directory_on_the_way_is_named() {
        let base = tempfile::tempdir().unwrap();
        let closed_dir = base.path().join("closed");
        let run = closed_dir.join("run");
        fs::create_dir_all(&run).unwrap();
        let open = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        open(base.path(), 0o711);
        open(&closed_dir, 0o700);
        let mut stranger = User::from_uid(Uid::from_raw(0)).unwrap().unwrap();
        stranger.uid = Uid::from_raw(54_321);
        stranger.gid = Gid::from_raw(54_321);
        assert_eq!(closed(&run, &stranger), Some(closed_dir.clone()));
        open(&closed_dir, 0o711);
        assert_eq!(closed(&run, &stranger), None);
    }

    #[test]
    fn a_bot_gets_a_copy_that_others_can_read() {
        let base = tempfile::tempdir().unwrap();
        let generation = base.path().join("g000001.yaml");
        for text in ["a: 1", "a: 2"] {
            fs::write(&generation, text).unwrap();
            let copy = config_copy(base.path(), &generation).unwrap();
            assert_eq!(fs::read_to_string(&copy).unwrap(), text);
            assert_eq!(fs::metadata(copy).unwrap().mode() & 0o777, 0o644);
        }
    }
}
