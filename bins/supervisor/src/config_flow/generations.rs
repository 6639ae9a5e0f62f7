//! Accepted configs, written down once each: `accepted/g000017.yaml`. `accepted/applied`
//! names the one in force.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use daemon::deployment::Deployment;
use protocol::Generation;
use thiserror::Error;

/// Old generations that are kept.
const KEPT: usize = 100;

/// Why a generation could not be written down or read.
#[derive(Debug, Error)]
#[error("config generations: cannot {what} {path}")]
pub(crate) struct GenerationsError {
    what: &'static str,
    path: String,
    #[source]
    source: io::Error,
}

/// The generations of a deployment.
#[derive(Debug)]
pub(crate) struct Generations {
    deployment: Deployment,
    newest: u64,
}

impl Generations {
    /// Looks at what is there.
    pub(crate) fn of(deployment: &Deployment) -> Result<Self, GenerationsError> {
        let newest = numbers(&deployment.config_dir())?
            .into_iter()
            .max()
            .unwrap_or(0);
        Ok(Self {
            deployment: deployment.clone(),
            newest,
        })
    }

    /// The generation in force when the supervisor last ran, and its text; `None` on a first start.
    pub(crate) fn last_good(&self) -> Result<Option<(Generation, Vec<u8>)>, GenerationsError> {
        let path = self.deployment.applied_file();
        let number = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse::<u64>().ok(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(problem("read", &path, source)),
        };
        let Some(number) = number else {
            return Ok(None);
        };
        let file = self.deployment.generation_file(Generation(number));
        let text = fs::read(&file).map_err(|e| problem("read", &file, e))?;
        Ok(Some((Generation(number), text)))
    }

    /// Writes a config down under the next number.
    pub(crate) fn write(&mut self, text: &[u8]) -> Result<Generation, GenerationsError> {
        let generation = Generation(self.newest.saturating_add(1));
        replace(&self.deployment.generation_file(generation), text)?;
        self.newest = generation.0;
        self.prune()?;
        Ok(generation)
    }

    /// This generation is in force everywhere.
    pub(crate) fn applied(&self, generation: Generation) -> Result<(), GenerationsError> {
        replace(
            &self.deployment.applied_file(),
            format!("{}\n", generation.0).as_bytes(),
        )
    }

    fn prune(&self) -> Result<(), GenerationsError> {
        let mut all = numbers(&self.deployment.config_dir())?;
        all.sort_unstable();
        let surplus = all.len().saturating_sub(KEPT);
        let applied = self.last_good()?.map(|(generation, _)| generation.0);
        for number in all
            .into_iter()
            .take(surplus)
            .filter(|n| Some(*n) != applied)
        {
            let path = self.deployment.generation_file(Generation(number));
            fs::remove_file(&path).map_err(|e| problem("remove", &path, e))?;
        }
        Ok(())
    }
}

/// The numbers of the generations in a directory.
fn numbers(dir: &Path) -> Result<Vec<u64>, GenerationsError> {
    let entries = fs::read_dir(dir).map_err(|e| problem("list", dir, e))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix('g')?.strip_suffix(".yaml")?.parse().ok()
        })
        .collect())
}

/// Replaces a file as a whole: written beside it, synced, renamed, the directory synced.
fn replace(path: &Path, text: &[u8]) -> Result<(), GenerationsError> {
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|e| problem("write", path, e))
}

fn problem(what: &'static str, path: &Path, source: io::Error) -> GenerationsError {
    GenerationsError {
        what,
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_counted_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        fs::create_dir_all(deployment.config_dir()).unwrap();
        let mut first = Generations::of(&deployment).unwrap();
        assert!(first.last_good().unwrap().is_none());
        assert_eq!(first.write(b"a").unwrap(), Generation(1));
        assert_eq!(first.write(b"b").unwrap(), Generation(2));
        first.applied(Generation(1)).unwrap();
        let mut again = Generations::of(&deployment).unwrap();
        assert_eq!(
            again.last_good().unwrap(),
            Some((Generation(1), b"a".to_vec()))
        );
        assert_eq!(again.write(b"c").unwrap(), Generation(3));
    }

    #[test]
    fn old_ones_go_but_never_the_one_in_force() {
        let dir = tempfile::tempdir().unwrap();
        let deployment = Deployment::at(dir.path());
        fs::create_dir_all(deployment.config_dir()).unwrap();
        let mut generations = Generations::of(&deployment).unwrap();
        generations.write(b"first").unwrap();
        generations.applied(Generation(1)).unwrap();
        for _ in 0..KEPT + 5 {
            generations.write(b"x").unwrap();
        }
        assert!(numbers(&deployment.config_dir()).unwrap().len() <= KEPT + 1);
        assert_eq!(generations.last_good().unwrap().unwrap().1, b"first");
    }
}
