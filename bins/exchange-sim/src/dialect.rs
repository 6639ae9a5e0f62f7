//! The two ways in which this family of venues speaks: the same calls under two prefixes, with
//! small differences in what a row looks like.

/// Which venue a request was made to, told by its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `/cloud/trade/v3`: rows of open orders have keys that begin with a capital, executions carry
    /// no link id, `createdTime` of closed PnL is in nanoseconds, `closedSize` is a bare number.
    Zoomex,
    /// `/v5`: none of that.
    Bybit,
}

impl Dialect {
    /// Every dialect with the prefix of its REST paths.
    const PREFIXES: [(Self, &'static str); 2] =
        [(Self::Zoomex, "/cloud/trade/v3"), (Self::Bybit, "/v5")];

    /// Splits a REST path into whose it is and what follows the prefix.
    pub(crate) fn of_path(path: &str) -> Option<(Self, &str)> {
        Self::PREFIXES
            .iter()
            .find_map(|(dialect, prefix)| Some((*dialect, path.strip_prefix(prefix)?)))
            .filter(|(_, rest)| rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_whose_it_is() {
        for (path, expected) in [
            (
                "/cloud/trade/v3/market/time",
                Some((Dialect::Zoomex, "/market/time")),
            ),
            ("/v5/market/time", Some((Dialect::Bybit, "/market/time"))),
            ("/v5market/time", None),
            ("/v3/market/time", None),
            ("/", None),
        ] {
            assert_eq!(Dialect::of_path(path), expected, "{path}");
        }
    }
}
