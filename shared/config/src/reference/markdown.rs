//! The reference for people.

use crate::catalogue::{Absent, Key, Kind, TakesEffect, Tighter, keys};
use crate::kinds::wanted;

const HEAD: &str = "\
# The config, key by key

Written from the catalogue in `shared/config/src/catalogue` by `cargo run -p config --example
generate_reference`; do not edit it here. `configs/zoomex_example.yaml` shows every used key in
place, and `docs/config.schema.json` lets an editor check a file while you type. `perpsctl config
check FILE` says which keys of a file are used, which are not, and what holds for the rest.

## What a file may hold

- Sections, keys, words, lists and comments. Anchors, aliases, merge keys, tags, a second document
  and duplicate keys are refused. So are tabs as indentation, more than 16 levels and more than
  256 KiB.
- A key that is not on this page is an error with its place and what was probably meant. So is a
  section. Keys at the end of this page are known from other bots and have no effect here.
- Numbers are plain digits (`0.05`, `120`), without quotes. `5%`, `1e-2`, `1_000`, `0,05`, `5.` and
  `010` are refused, and so are `.nan` and `.inf`.
- Yes and no are `true` and `false`. `yes`, `on` and `1` are refused.
- A fraction is of one: five per cent is `0.05`.
- Where *off* is the default, `null` or `off` says so in writing. Zero never means off.
- The `perps:` section must be there: a file without it was probably cut short.
- Secrets never stand in the file. The gateway takes its keys from the environment
  (`ZOOMEX_TESTNET_API_KEY`, `ZOOMEX_TESTNET_API_SECRET`), a file of mode 0600 or the service
  manager's credentials.

## How to read the tables

*If absent* is what holds without the key. *Tighter* is the safer direction: an edit the other way
is a loosening, and so is a limit that disappears. *Edit* says when a change takes effect: at once
with the next accepted config, or when the processes in *used by* start again.
";

/// The text of `docs/config.md`.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in sections() {
        page.push_str(&table(section));
    }
    page.push_str(&unused());
    page
}

/// Names of the top-level sections with used keys, in the order of the catalogue.
fn sections() -> Vec<&'static str> {
    let mut sections = Vec::new();
    for key in keys().iter().filter(|key| key.is_used()) {
        let section = section_of(key);
        if !sections.contains(&section) {
            sections.push(section);
        }
    }
    sections
}

fn section_of(key: &Key) -> &'static str {
    key.path.split('.').next().unwrap_or(key.path)
}

fn table(section: &str) -> String {
    let mut table = format!(
        "\n## {section}\n\n| key | takes | if absent | tighter | used by | edit | meaning |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n"
    );
    for key in keys()
        .iter()
        .filter(|key| key.is_used() && section_of(key) == section)
    {
        table.push_str(&row(key));
    }
    table
}

fn row(key: &Key) -> String {
    let by: Vec<_> = key.used_by.iter().map(|process| process.name()).collect();
    let by = if by.len() == protocol::Process::ALL.len() {
        "all".to_owned()
    } else {
        by.join(", ")
    };
    let absent = match key.absent {
        Absent::Off => "off".to_owned(),
        Absent::Is(text) => format!("`{text}`"),
        Absent::Follows(what) => format!("follows {what}"),
    };
    let edit = match key.takes_effect {
        TakesEffect::AtOnce => "at once",
        TakesEffect::AtRestart => "restart",
    };
    format!(
        "| `{}` | {} | {absent} | {} | {by} | {edit} | {} |\n",
        key.path,
        takes(key.kind),
        tighter(key.tighter),
        key.doc
    )
}

fn takes(kind: Kind) -> String {
    match kind {
        Kind::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Kind::Number(..)
        | Kind::Whole(..)
        | Kind::Flag
        | Kind::Text
        | Kind::Interval
        | Kind::Url
        | Kind::Size
        | Kind::Symbol
        | Kind::Symbols
        | Kind::Command
        | Kind::Texts
        | Kind::Environment
        | Kind::Anything => wanted(kind),
    }
}

const fn tighter(tighter: Tighter) -> &'static str {
    match tighter {
        Tighter::Neither => "-",
        Tighter::Lower => "lower",
        Tighter::Higher => "higher",
        Tighter::True => "`true`",
        Tighter::False => "`false`",
        Tighter::Fewer => "fewer",
        Tighter::LaterWord => "later word",
        Tighter::OneSide => "one side",
    }
}

fn unused() -> String {
    let items = keys()
        .iter()
        .filter(|key| !key.is_used())
        .map(|key| format!("- `{}`\n", key.path));
    format!(
        "\n## Known and without effect\n\nExisting files carry these. They are accepted, whatever \
         they hold, and listed as unused by `perpsctl config check`.\n\n{}",
        items.collect::<String>()
    )
}
