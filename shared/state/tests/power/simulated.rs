//! A machine whose power can be cut: a file system that knows what is durable and what is not.
//!
//! Writes and names are pending until they are synced. A cut keeps any choice of them, and any part
//! of a write. A sync that fails drops what it should have made durable while reads still show it,
//! which is what real kernels do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use state::{Entry, EntryKind, File, FileSystem, Lock, LockRefused};

use crate::model::Promise;

#[derive(Clone, Default)]
struct Inode {
    dir: bool,
    durable: Vec<u8>,
    cached: Vec<u8>,
    pending: Vec<(usize, Vec<u8>)>,
}

/// A change of names that happens wholly or not at all.
type Naming = Vec<(PathBuf, Option<u64>)>;

/// Everything on the disk and above it.
#[derive(Clone, Default)]
pub(crate) struct Image {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: Vec<Naming>,
    next_inode: u64,
}

/// What fails, once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) at: u64,
    pub(crate) error: io::ErrorKind,
    /// How much of a failing write still reaches the file, in quarters.
    pub(crate) quarters: usize,
    /// From there on every call that changes something fails.
    pub(crate) sticky: bool,
}

/// The moment before one operation.
pub(crate) struct CutPoint {
    pub(crate) image: Image,
    /// The write that was under way: file, offset, bytes.
    pub(crate) in_flight: Option<(u64, usize, Vec<u8>)>,
    pub(crate) promise: Promise,
}

#[derive(Default)]
struct Machine {
    image: Image,
    operations: u64,
    fault: Option<Fault>,
    cuts: Option<Vec<CutPoint>>,
    promise: Promise,
    locked: bool,
}

#[derive(Clone, Default)]
pub(crate) struct Simulated(Arc<Mutex<Machine>>);

struct OpenFile {
    machine: Simulated,
    inode: u64,
}

struct Held(Simulated);

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.machine().locked = false;
    }
}

impl Image {
    pub(crate) fn pending_writes(&self) -> usize {
        self.inodes.values().map(|i| i.pending.len()).sum()
    }

    pub(crate) fn pending_names(&self) -> usize {
        self.pending_names.len()
    }

    /// The disk after a power cut: `keeps_write(k, bytes)` says which part of the k-th pending write
    /// reached it, `keeps_name(k)` whether the k-th change of names did.
    pub(crate) fn after_cut(
        &self,
        mut keeps_write: impl FnMut(usize, usize) -> std::ops::Range<usize>,
        mut keeps_name: impl FnMut(usize) -> bool,
    ) -> Self {
        let mut image = self.clone();
        let mut k = 0;
        for inode in image.inodes.values_mut() {
            for (offset, bytes) in std::mem::take(&mut inode.pending) {
                let part = keeps_write(k, bytes.len());
                k += 1;
                if !part.is_empty() {
                    write(&mut inode.durable, offset + part.start, &bytes[part]);
                }
            }
            inode.cached.clone_from(&inode.durable);
        }
        for (k, naming) in std::mem::take(&mut image.pending_names)
            .into_iter()
            .enumerate()
        {
            if keeps_name(k) {
                rename(&mut image.durable_names, &naming);
            }
        }
        let names = std::mem::take(&mut image.durable_names);
        let is_reachable = |path: &Path| {
            path.ancestors()
                .skip(1)
                .all(|dir| dir == Path::new("/") || names.contains_key(dir))
        };
        let reachable = names.iter().filter(|(path, _)| is_reachable(path));
        image.durable_names = reachable
            .map(|(path, inode)| (path.clone(), *inode))
            .collect();
        image.names = image.durable_names.clone();
        image
    }

    /// The same with a write that was under way when the power went.
    pub(crate) fn with_in_flight(&self, in_flight: &(u64, usize, Vec<u8>)) -> Self {
        let mut image = self.clone();
        if let Some(inode) = image.inodes.get_mut(&in_flight.0) {
            inode.pending.push((in_flight.1, in_flight.2.clone()));
        }
        image
    }

    /// Where the write under way stands among the pending ones.
    pub(crate) fn in_flight_index(&self, in_flight: &(u64, usize, Vec<u8>)) -> usize {
        let upto = self.inodes.range(..=in_flight.0);
        upto.map(|(_, i)| i.pending.len()).sum::<usize>() - 1
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let is_file = |(_, inode): &(&PathBuf, &u64)| !self.inodes[inode].dir;
        self.names
            .iter()
            .filter(is_file)
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// Changes a file behind everybody's back.
    pub(crate) fn spoil(&mut self, path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
        let inode = self.inodes.get_mut(&self.names[path]).unwrap();
        how(&mut inode.cached);
        inode.durable.clone_from(&inode.cached);
        inode.pending.clear();
    }

    pub(crate) fn length(&self, path: &Path) -> usize {
        self.inodes[&self.names[path]].cached.len()
    }
}

impl Simulated {
    pub(crate) fn with(image: Image) -> Self {
        let machine = Self::default();
        machine.machine().image = image;
        machine
    }

    pub(crate) fn record(&self) {
        self.machine().cuts = Some(Vec::new());
    }

    pub(crate) fn take_cuts(&self) -> Vec<CutPoint> {
        self.machine().cuts.take().unwrap_or_default()
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.machine().fault = Some(fault);
    }

    pub(crate) fn heal(&self) {
        self.machine().fault = None;
    }

    pub(crate) fn promise(&self, promise: &Promise) {
        self.machine().promise = promise.clone();
    }

    pub(crate) fn image(&self) -> Image {
        self.machine().image.clone()
    }

    pub(crate) fn operations(&self) -> u64 {
        self.machine().operations
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap()
    }
}

impl Machine {
    /// Counts an operation that changes something; an error if it is the one to fail.
    fn operation(
        &mut self,
        in_flight: Option<(u64, usize, &[u8])>,
    ) -> Result<(), (io::Error, usize)> {
        let at = self.operations;
        self.operations += 1;
        if let Some(cuts) = &mut self.cuts {
            cuts.push(CutPoint {
                image: self.image.clone(),
                in_flight: in_flight.map(|(inode, offset, bytes)| (inode, offset, bytes.to_vec())),
                promise: self.promise.clone(),
            });
        }
        match self.fault {
            Some(fault) if fault.at == at || (fault.sticky && at > fault.at) => {
                Err((fault.error.into(), fault.quarters))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn step(&mut self) -> io::Result<()> {
        self.operation(None).map_err(|(e, _)| e)
    }

    fn name(&mut self, naming: Naming) {
        rename(&mut self.image.names, &naming);
        self.image.pending_names.push(naming);
    }

    fn inode(&self, path: &Path) -> io::Result<u64> {
        self.image
            .names
            .get(path)
            .copied()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn free(&self, path: &Path) -> io::Result<()> {
        if self.image.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let parent = path.parent().unwrap();
        if parent == Path::new("/") {
            Ok(())
        } else {
            self.inode(parent).map(|_| ())
        }
    }

    fn make(&mut self, path: &Path, dir: bool) -> io::Result<u64> {
        self.free(path)?;
        self.step()?;
        self.image.next_inode += 1;
        let inode = self.image.next_inode;
        self.image.inodes.insert(
            inode,
            Inode {
                dir,
                ..Inode::default()
            },
        );
        self.name(vec![(path.to_path_buf(), Some(inode))]);
        Ok(inode)
    }
}

impl FileSystem for Simulated {
    fn look(&self, path: &Path) -> io::Result<Option<Entry>> {
        let machine = self.machine();
        let Ok(inode) = machine.inode(path) else {
            return Ok(None);
        };
        let found = &machine.image.inodes[&inode];
        let (kind, mode) = if found.dir {
            (EntryKind::Directory, 0o700)
        } else {
            (EntryKind::File, 0o600)
        };
        Ok(Some(Entry {
            kind,
            len: found.cached.len() as u64,
            mode,
            inode,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let machine = self.machine();
        machine.inode(dir)?;
        let inside = machine
            .image
            .names
            .keys()
            .filter(|p| p.parent() == Some(dir));
        Ok(inside
            .map(|p| p.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }

    fn read(&self, path: &Path, _limit: u64) -> io::Result<Vec<u8>> {
        let machine = self.machine();
        Ok(machine.image.inodes[&machine.inode(path)?].cached.clone())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.machine().make(path, true).map(|_| ())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let inode = self.machine().make(path, false)?;
        Ok(Box::new(OpenFile {
            machine: self.clone(),
            inode,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let inode = self.machine().inode(path)?;
        Ok(Box::new(OpenFile {
            machine: self.clone(),
            inode,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        let inode = machine.inode(from)?;
        machine.step()?;
        // Two names of one file: a rename does nothing.
        if machine.inode(to).ok() != Some(inode) {
            machine.name(vec![
                (from.to_path_buf(), None),
                (to.to_path_buf(), Some(inode)),
            ]);
        }
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        let inode = machine.inode(from)?;
        machine.free(to)?;
        machine.step()?;
        machine.name(vec![(to.to_path_buf(), Some(inode))]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        machine.inode(path)?;
        machine.step()?;
        machine.name(vec![(path.to_path_buf(), None)]);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.machine();
        let here = |naming: &Naming| naming.iter().all(|(path, _)| path.parent() == Some(dir));
        let failed = machine.step();
        let image = &mut machine.image;
        for naming in std::mem::take(&mut image.pending_names) {
            if !here(&naming) {
                image.pending_names.push(naming);
            } else if failed.is_ok() {
                rename(&mut image.durable_names, &naming);
            } else {
                // Nobody knows; a later cut may keep it or not, a later sync does not help.
                image.pending_names.push(naming);
            }
        }
        failed
    }

    fn lock(&self, _path: &Path, _holder: &str) -> Result<Box<dyn Lock>, LockRefused> {
        let mut machine = self.machine();
        if machine.locked {
            return Err(LockRefused::Held("the simulated owner".to_owned()));
        }
        machine.locked = true;
        Ok(Box::new(Held(self.clone())))
    }
}

impl File for OpenFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let mut machine = self.machine.machine();
        let (reached, failed) = match machine.operation(Some((self.inode, offset, bytes))) {
            Ok(()) => (bytes.len(), Ok(())),
            Err((error, quarters)) => (bytes.len() * quarters / 4, Err(error)),
        };
        let inode = machine.image.inodes.get_mut(&self.inode).unwrap();
        if reached > 0 {
            write(&mut inode.cached, offset, &bytes[..reached]);
            inode.pending.push((offset, bytes[..reached].to_vec()));
        }
        failed
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut machine = self.machine.machine();
        let failed = machine.step();
        let inode = machine.image.inodes.get_mut(&self.inode).unwrap();
        for (offset, bytes) in std::mem::take(&mut inode.pending) {
            // After a failure the pages count as clean: no later sync writes them.
            if failed.is_ok() {
                write(&mut inode.durable, offset, &bytes);
            }
        }
        failed
    }
}

fn write(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if file.len() < end {
        file.resize(end, 0);
    }
    file[offset..end].copy_from_slice(bytes);
}

fn rename(names: &mut BTreeMap<PathBuf, u64>, naming: &Naming) {
    for (path, inode) in naming {
        match inode {
            Some(inode) => names.insert(path.clone(), *inode),
            None => names.remove(path),
        };
    }
}
