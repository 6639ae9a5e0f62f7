//! Seeing every save of the config file.
//!
//! A watch on a file dies with the first rename over it, and a watch on a directory sees nothing of
//! what a symlink in it points to. So the directories of every hop from the named path to the real
//! file are watched, anew after each change; and a look at the content once in a while finds what
//! the kernel's events did not tell (their queue can overflow, and network disks send none).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::Hint;

/// Symlinks that are followed at most; more is a loop.
const HOPS_MOST: usize = 40;

/// A watch on one config file.
#[derive(Debug)]
pub(crate) struct Watch {
    file: PathBuf,
    watcher: Option<RecommendedWatcher>,
    /// The watched directories, and which directory stood under that name then.
    watched: BTreeMap<PathBuf, Option<Inode>>,
    /// The names that matter in the watched directories; what else is saved there tells nothing.
    names: Arc<Mutex<BTreeSet<OsString>>>,
    hints: mpsc::Receiver<Hint>,
}

impl Watch {
    /// Begins to watch. Where the kernel gives no events, the periodic look remains.
    pub(crate) fn on(file: &Path) -> Self {
        let (sender, hints) = mpsc::channel(64);
        let names = Arc::new(Mutex::new(BTreeSet::new()));
        let ours = Arc::clone(&names);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let names = ours.lock().unwrap_or_else(PoisonError::into_inner);
            // An error, such as an overflow of the kernel's queue, may have cost us anything.
            let hint = event.map_or(Some(Hint::Unsettled), |event| hint(&event, &names));
            if let Some(hint) = hint {
                // A full channel already holds a hint.
                sender.try_send(hint).ok();
            }
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!("no file events ({error}); the config is looked at once in a while");
                None
            }
        };
        let mut watch = Self {
            file: file.to_owned(),
            watcher,
            watched: BTreeMap::new(),
            names,
            hints,
        };
        watch.renew();
        watch
    }

    /// The next hint. Pends for ever where there are no events.
    pub(crate) async fn hint(&mut self) -> Hint {
        match self.hints.recv().await {
            Some(hint) => hint,
            None => std::future::pending().await,
        }
    }

    /// Watches the directories that matter now; call it after each change.
    pub(crate) fn renew(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        let Hops { wanted, names } = hops(&self.file);
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        let wanted: BTreeMap<PathBuf, Option<Inode>> = wanted
            .into_iter()
            .map(|dir| (dir.clone(), inode(&dir)))
            .collect();
        // A directory that was replaced under its name is another one.
        let is_same = |all: &BTreeMap<_, _>, dir, inode| all.get(dir) == Some(inode);
        for (gone, was) in &self.watched {
            if !is_same(&wanted, gone, was) {
                // It may be gone from the disk as well.
                drop(watcher.unwatch(gone));
            }
        }
        for (new, is) in &wanted {
            if is.is_some()
                && !is_same(&self.watched, new, is)
                && let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive)
            {
                tracing::warn!("{} cannot be watched: {error}", new.display());
            }
        }
        self.watched = wanted;
    }
}

/// Device and number of a directory.
type Inode = (u64, u64);

fn inode(dir: &Path) -> Option<Inode> {
    let found = std::fs::metadata(dir).ok()?;
    Some((found.dev(), found.ino()))
}

/// What an event tells. Reading the file ourselves tells nothing; an event without a path (the
/// kernel's queue has overflowed) tells that anything may have happened.
fn hint(event: &Event, names: &BTreeSet<OsString>) -> Option<Hint> {
    let name = |path: &PathBuf| path.file_name().is_some_and(|name| names.contains(name));
    if !event.paths.is_empty() && !event.paths.iter().any(name) {
        return None;
    }
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(_)) => Some(Hint::Finished),
        EventKind::Access(_) => None,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => Some(Hint::Unsettled),
    }
}

/// The way from the named path to the real file.
struct Hops {
    /// The directories of the named path, of every symlink on its way, and of the real file.
    wanted: BTreeSet<PathBuf>,
    /// The names in them that lead to the file.
    names: BTreeSet<OsString>,
}

fn hops(file: &Path) -> Hops {
    let mut found = Hops {
        wanted: BTreeSet::new(),
        names: BTreeSet::new(),
    };
    let mut waiting = vec![file.to_owned()];
    let mut hops = 0;
    while let Some(path) = waiting.pop() {
        let mut so_far = PathBuf::new();
        let mut is_real = true;
        for part in path.components() {
            let parent = so_far.clone();
            so_far.push(part);
            let Ok(target) = std::fs::read_link(&so_far) else {
                continue;
            };
            hops += 1;
            found.wanted.insert(or_here(&parent));
            found.names.insert(part.as_os_str().to_owned());
            if hops <= HOPS_MOST {
                let rest = path.strip_prefix(&so_far).unwrap_or(Path::new(""));
                waiting.push(parent.join(target).join(rest));
            }
            // From here on the path is the target's.
            is_real = false;
            break;
        }
        if let Some(parent) = path.parent()
            && is_real
        {
            found.names.extend(path.file_name().map(OsString::from));
            found.wanted.insert(or_here(parent));
        }
    }
    found
}

fn or_here(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        path.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_hop_of_a_kubernetes_style_mount_is_watched() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir(root.join("v1")).unwrap();
        std::fs::write(root.join("v1/c.yaml"), "a").unwrap();
        symlink("v1", root.join("..data")).unwrap();
        symlink("..data/c.yaml", root.join("c.yaml")).unwrap();
        let Hops { wanted, names } = hops(&root.join("c.yaml"));
        assert!(wanted.contains(root), "{wanted:?}");
        assert!(wanted.contains(&root.join("v1")), "{wanted:?}");
        assert!(
            names.contains("..data".as_ref() as &std::ffi::OsStr),
            "{names:?}"
        );
    }

    #[test]
    fn a_loop_of_symlinks_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(!hops(&dir.path().join("a")).wanted.is_empty());
    }
}
