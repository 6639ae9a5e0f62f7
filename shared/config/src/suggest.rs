//! "Did you mean": the nearest of the words that would have been right.

use crate::catalogue;

/// The nearest candidate, if one is near enough to be what was meant.
pub(crate) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let bare = flat(written);
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::normalized_damerau_levenshtein(&bare, &flat(candidate)),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}

/// What to say about a key that is not in the catalogue, in this section.
pub(crate) fn for_unknown(section: &str, name: &str) -> Option<String> {
    let bare = flat(name);
    if [
        "apikey",
        "apisecret",
        "secret",
        "password",
        "passphrase",
        "token",
    ]
    .iter()
    .any(|w| bare.contains(w))
    {
        return Some(
            "secrets never stand in the config: put them into the environment (ZOOMEX_TESTNET_API_KEY, ZOOMEX_TESTNET_API_SECRET)"
                .to_owned(),
        );
    }
    if let Some(key) = catalogue::key(name) {
        let (section, last) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        return Some(format!("write `{last}:` below `{section}:`"));
    }
    let names = catalogue::names_in(section);
    if let Some(exact) = names.iter().find(|candidate| flat(candidate) == bare) {
        return Some(format!("did you mean {exact}?"));
    }
    let elsewhere = catalogue::keys()
        .iter()
        .find(|key| flat(key.name()) == bare && key.is_used());
    if let Some(key) = elsewhere {
        return Some(format!(
            "did you mean {}? It stands in another section",
            key.path
        ));
    }
    nearest(name, names).map(|near| format!("did you mean {near}?"))
}

/// A name without the marks that people mix up: case, underscores, hyphens.
fn flat(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .take(64)
        .collect::<String>()
        .to_lowercase()
}
