//! Seeing every save of the config file.
//!
//! A watch on a file dies with the first rename over it, and a watch on a directory sees nothing of
//! what a symlink in it points to. So the directories of every hop from the named path to the real
//! file are watched, anew after each change; and a look at the content once in a while finds what
//! the kernel's events did not tell (their queue can overflow, and network disks send none).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Symlinks that are followed at most; more is a loop.
const HOPS_MOST: usize = 40;

/// How a look at the file came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// A save has just been finished: closed after writing, or moved into place.
    Finished,
    /// Something is going on; look when it has been quiet for a while.
    Unsettled,
}

/// A watch on one config file.
#[derive(Debug)]
pub(crate) struct Watch {
    file: PathBuf,
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    hints: mpsc::Receiver<Hint>,
}

impl Watch {
    /// Begins to watch. Where the kernel gives no events, the periodic look remains.
    pub(crate) fn on(file: &Path) -> Self {
        let (sender, hints) = mpsc::channel(64);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let hint = event.map_or(Some(Hint::Unsettled), |event| hint(event.kind));
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
            watched: BTreeSet::new(),
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
        let wanted = directories(&self.file);
        for gone in self.watched.difference(&wanted) {
            // It may be gone from the disk as well.
            drop(watcher.unwatch(gone));
        }
        for new in wanted.difference(&self.watched) {
            if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
                tracing::warn!("{} cannot be watched: {error}", new.display());
            }
        }
        self.watched = wanted;
    }
}

/// What an event tells; reading the file ourselves tells nothing.
fn hint(kind: EventKind) -> Option<Hint> {
    match kind {
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

/// The directories of the named path, of every symlink on its way, and of the real file.
fn directories(file: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![file.to_owned()];
    let mut hops = 0;
    while let Some(path) = waiting.pop() {
        let mut so_far = PathBuf::new();
        for part in path.components() {
            let parent = so_far.clone();
            so_far.push(part);
            let Ok(target) = std::fs::read_link(&so_far) else {
                continue;
            };
            hops += 1;
            found.insert(or_here(&parent));
            if hops <= HOPS_MOST {
                let rest = path.strip_prefix(&so_far).unwrap_or(Path::new(""));
                waiting.push(parent.join(target).join(rest));
            }
        }
        if let Some(parent) = path.parent() {
            found.insert(or_here(parent));
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
        let watched = directories(&root.join("c.yaml"));
        assert!(watched.contains(root), "{watched:?}");
        assert!(watched.contains(&root.join("v1")) || watched.contains(&root.join("..data")));
    }

    #[test]
    fn a_loop_of_symlinks_ends() {
        let dir = tempfile::tempdir().unwrap();
        symlink("b", dir.path().join("a")).unwrap();
        symlink("a", dir.path().join("b")).unwrap();
        assert!(!directories(&dir.path().join("a")).is_empty());
    }
}
