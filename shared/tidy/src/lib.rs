//! Reads the house as text, so that its rules can be ordinary tests (`tests/house.rs`).
//!
//! It knows files, lines and manifests; which rules there are stands in the tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One source file of the workspace.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path below the workspace's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// The text before the unit tests that close the file.
    pub fn without_tests(&self) -> &str {
        self.text
            .split("\n#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or(&self.text)
    }

    /// Whether the file holds nothing but tests, examples or benchmarks.
    pub fn only_tests(&self) -> bool {
        ["/tests/", "/benches/", "/examples/"]
            .iter()
            .any(|part| self.path.contains(part))
    }
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every file below `bins`, `shared`, `docs`, `configs`, `systemd`, `.ci` and the root whose name
/// ends in one of `endings`, in order of path.
pub fn sources(endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let root = root();
    for folder in ["bins", "shared", "docs", "configs", "systemd", ".ci"] {
        walk(&root, &root.join(folder), endings, &mut found);
    }
    let top = fs::read_dir(&root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for path in top.filter(|path| path.is_file()) {
        take(&root, &path, endings, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The names under `[dependencies]` of a member's manifest.
pub fn dependencies(manifest: &str) -> Vec<String> {
    section(manifest, "[dependencies]")
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// The lines of one section of a TOML file.
pub fn section<'a>(toml: &'a str, header: &'a str) -> impl Iterator<Item = &'a str> {
    toml.lines()
        .skip_while(move |line| *line != header)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
}

fn walk(root: &Path, folder: &Path, endings: &[&str], found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, endings, found);
        } else {
            take(root, &path, endings, found);
        }
    }
}

fn take(root: &Path, path: &Path, endings: &[&str], found: &mut Vec<Source>) {
    let name = path
        .strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/");
    if !endings.iter().any(|ending| name.ends_with(ending)) {
        return;
    }
    if let Ok(text) = fs::read_to_string(path) {
        found.push(Source { path: name, text });
    }
}
