//! The account's key and secret; they show nowhere, and their memory is wiped when they go.

use std::fmt;

use zeroize::Zeroizing;

/// An API key and its secret. `Debug` shows neither, there are no copies, and both are wiped on
/// drop; what the caller read them from, and what the connection wrote, is not.
pub struct Credentials {
    key: Zeroizing<String>,
    secret: Zeroizing<String>,
}

impl Credentials {
    /// Takes both, blanks and line ends around them cut off; `None` if either is empty.
    pub fn new(key: &str, secret: &str) -> Option<Self> {
        let (key, secret) = (key.trim(), secret.trim());
        (!key.is_empty() && !secret.is_empty()).then(|| Self {
            key: Zeroizing::new(key.to_owned()),
            secret: Zeroizing::new(secret.to_owned()),
        })
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_show_nowhere() {
        let credentials = Credentials::new(" the-key \n", "the-secret\n").unwrap();
        assert_eq!(credentials.key(), "the-key");
        assert_eq!(format!("{credentials:?}"), "Credentials(hidden)");
        assert!(Credentials::new("key", "\n").is_none());
    }
}
