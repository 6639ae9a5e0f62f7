//! Where the exchange keys come from. They never reach a log line or a message.
//!
//! In this order: the environment, a file of mode 0600, the service manager's credentials. Half a
//! pair is an error, not a reason to look further.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config::KeyVariables;
use thiserror::Error;

/// The file with the keys below the deployment's directory.
pub const FILE_NAME: &str = "credentials";
/// The service manager's directory of credentials (systemd's `LoadCredential=`).
pub const DIRECTORY_VARIABLE: &str = "CREDENTIALS_DIRECTORY";

/// A pair of key and secret. Its `Debug` shows neither.
pub struct Credentials {
    /// The API key.
    pub key: String,
    /// The API secret.
    pub secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// Nowhere is a key.
    #[error(
        "no exchange keys: set {key} and {secret}, or write api_key=... and api_secret=... into \
         {file} (mode 0600), or hand over the credentials api_key and api_secret"
    )]
    Missing {
        /// The key's variable.
        key: &'static str,
        /// The secret's variable.
        secret: &'static str,
        /// The file that would be read.
        file: PathBuf,
    },
    /// One of the two is set.
    #[error("{source_name} has {present} but no {absent}: set both")]
    Half {
        /// Where.
        source_name: String,
        /// What is there.
        present: &'static str,
        /// What is not.
        absent: &'static str,
    },
    /// The file can be read by others.
    #[error("{path} has mode {mode:o}: others could read the keys; chmod 600 {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file is there and cannot be read.
    #[error("cannot read the exchange keys from {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Finds a pair of keys. `names` are its variables, `variable` reads the environment; `dir` is the
/// deployment's.
pub fn find(
    names: KeyVariables,
    dir: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, CredentialsError> {
    let filled = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let KeyVariables { key, secret } = names;
    if let Some(found) = pair(
        "the environment",
        (key, filled(key)),
        (secret, filled(secret)),
    )? {
        return Ok(found);
    }
    let file = dir.join(FILE_NAME);
    if let Some(found) = from_file(&file)? {
        return Ok(found);
    }
    if let Some(directory) = filled(DIRECTORY_VARIABLE) {
        let directory = Path::new(&directory);
        let part = |name: &str| read(&directory.join(name));
        let (key, secret) = (part("api_key")?, part("api_secret")?);
        let place = directory.display().to_string();
        if let Some(found) = pair(&place, ("api_key", key), ("api_secret", secret))? {
            return Ok(found);
        }
    }
    Err(CredentialsError::Missing { key, secret, file })
}

fn pair(
    place: &str,
    (key_name, key): (&'static str, Option<String>),
    (secret_name, secret): (&'static str, Option<String>),
) -> Result<Option<Credentials>, CredentialsError> {
    let half = |present, absent| CredentialsError::Half {
        source_name: place.to_owned(),
        present,
        absent,
    };
    let trimmed = |text: String| text.trim().to_owned();
    match (key, secret) {
        (Some(key), Some(secret)) => Ok(Some(Credentials {
            key: trimmed(key),
            secret: trimmed(secret),
        })),
        (Some(_), None) => Err(half(key_name, secret_name)),
        (None, Some(_)) => Err(half(secret_name, key_name)),
        (None, None) => Ok(None),
    }
}

fn from_file(path: &Path) -> Result<Option<Credentials>, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mode = match fs::metadata(path) {
        Ok(meta) => meta.mode() & 0o777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if mode & 0o077 != 0 {
        return Err(CredentialsError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let value = |name: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        let found = pairs.find(|(left, _)| left.trim() == name);
        found
            .map(|(_, right)| right.trim().to_owned())
            .filter(|right| !right.is_empty())
    };
    pair(
        &path.display().to_string(),
        ("api_key", value("api_key")),
        ("api_secret", value("api_secret")),
    )
}

fn read(path: &Path) -> Result<Option<String>, CredentialsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CredentialsError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::VenueName::Zoomex;
    use protocol::Mode;

    const TESTNET: KeyVariables = Zoomex.key_variables(Mode::Testnet);
    const MAINNET: KeyVariables = Zoomex.key_variables(Mode::Mainnet);
    use std::os::unix::fs::PermissionsExt;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_environment_comes_first_then_the_file_then_the_service_manager() {
        let dir = tempfile::tempdir().unwrap();
        let held = dir.path().join("held");
        fs::create_dir(&held).unwrap();
        write(&held.join("api_key"), "third\n", 0o400);
        write(&held.join("api_secret"), "s3\n", 0o400);
        let manager = |name: &str| (name == DIRECTORY_VARIABLE).then(|| held.display().to_string());
        assert_eq!(find(TESTNET, dir.path(), manager).unwrap().key, "third");
        write(
            &dir.path().join(FILE_NAME),
            "api_key = second\napi_secret=s2\n",
            0o600,
        );
        assert_eq!(find(TESTNET, dir.path(), manager).unwrap().key, "second");
        let all = |name: &str| match name {
            "ZOOMEX_TESTNET_API_KEY" => Some("first".to_owned()),
            "ZOOMEX_TESTNET_API_SECRET" => Some("s1".to_owned()),
            other => manager(other),
        };
        let found = find(TESTNET, dir.path(), all).unwrap();
        assert_eq!((found.key.as_str(), found.secret.as_str()), ("first", "s1"));
        assert!(!format!("{found:?}").contains("first"));
        assert_eq!(find(MAINNET, dir.path(), all).unwrap().key, "second");
    }

    #[test]
    fn what_is_missing_half_or_open_to_others_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let none = |_: &str| None;
        let message = find(TESTNET, dir.path(), none).unwrap_err().to_string();
        assert!(message.contains("set ZOOMEX_TESTNET_API_KEY"), "{message}");
        let half = |name: &str| (name == "ZOOMEX_API_KEY").then(|| "k".to_owned());
        let message = find(MAINNET, dir.path(), half).unwrap_err().to_string();
        assert!(message.contains("no ZOOMEX_API_SECRET"), "{message}");
        write(
            &dir.path().join(FILE_NAME),
            "api_key=k\napi_secret=s\n",
            0o644,
        );
        let message = find(TESTNET, dir.path(), none).unwrap_err().to_string();
        assert!(message.contains("chmod 600"), "{message}");
    }
}
