//! Where the harness's programs are: beside the program that runs now, as cargo builds them.

use std::path::{Path, PathBuf};

use crate::PlayError;

/// The one that starts the others.
const SUPERVISOR: &str = "perps-supervisor";

/// What a harness and its exchange consist of.
const PROGRAMS: [&str; 6] = [
    SUPERVISOR,
    "perps-alerts",
    "perps-guard",
    "perps-gateway",
    "perps-bot",
    "zoomex-sim",
];

/// The folder that holds the harness's programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// The folder of the running program; for a test, benchmark or example the one above.
    pub fn beside_this_program() -> Result<Self, PlayError> {
        let own = std::env::current_exe().map_err(PlayError::io("find the running program"))?;
        let folder = own.parent().unwrap_or(Path::new("."));
        let dir = if folder.ends_with("deps") || folder.ends_with("examples") {
            folder.parent().unwrap_or(folder)
        } else {
            folder
        };
        let found = Self {
            dir: dir.to_owned(),
        };
        for name in [SUPERVISOR, "zoomex-sim"] {
            found.path(name)?;
        }
        Ok(found)
    }

    /// The same programs in another folder, where one of them can be replaced: links, but for the
    /// supervisor, which looks for the others beside itself.
    pub fn linked_into(&self, folder: &Path) -> Result<Self, PlayError> {
        for name in PROGRAMS {
            let (from, to) = (self.path(name)?, folder.join(name));
            let done = if name == SUPERVISOR {
                std::fs::copy(&from, &to).map(drop)
            } else {
                std::os::unix::fs::symlink(&from, &to)
            };
            done.map_err(PlayError::io(format!("put {}", to.display())))?;
        }
        Ok(Self {
            dir: folder.to_owned(),
        })
    }

    /// Copies of them in another folder, as an installation has them. What a linker has just written
    /// lies in the page cache in single pages, and to map and unmap those takes longer.
    pub fn copied_into(&self, folder: &Path) -> Result<Self, PlayError> {
        for name in PROGRAMS {
            let to = folder.join(name);
            std::fs::copy(self.path(name)?, &to)
                .map_err(PlayError::io(format!("put {}", to.display())))?;
        }
        Ok(Self {
            dir: folder.to_owned(),
        })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One program.
    pub fn path(&self, name: &'static str) -> Result<PathBuf, PlayError> {
        let path = self.dir.join(name);
        if path.is_file() {
            Ok(path)
        } else {
            Err(PlayError::NoBinary {
                name,
                dir: self.dir.display().to_string(),
            })
        }
    }
}
