//! Where the harness's programs are: beside the program that runs now, as cargo builds them.

use std::path::{Path, PathBuf};

use crate::PlayError;

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
        for name in ["perps-supervisor", "zoomex-sim"] {
            found.path(name)?;
        }
        Ok(found)
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
