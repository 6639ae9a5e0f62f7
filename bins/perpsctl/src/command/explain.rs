//! `explain TAG`: the catalogue's words.

use protocol::Tag;
use serde_json::json;

use crate::cli::Explain;
use crate::exit::Exit;
use crate::out;
use crate::screen::{BOLD, PLAIN};

/// Says what a tag means, what it stops, how it ends and what to do.
pub(crate) fn run(args: &Explain) -> Exit {
    let chosen: Vec<Tag> = match &args.tag {
        None => Tag::ALL.to_vec(),
        Some(text) => {
            let full = format!("safety_{text}");
            let Some(tag) = Tag::named(text).or_else(|| Tag::named(&full)) else {
                let names: Vec<&str> = Tag::ALL.iter().map(|tag| tag.name()).collect();
                out::problem(&format!("no tag {text:?}; there are: {}", names.join(", ")));
                return Exit::Usage;
            };
            vec![tag]
        }
    };
    if args.json {
        let infos: Vec<_> = chosen.iter().map(|tag| tag.info()).collect();
        out::json(&json!({ "schema_version": protocol::status::SCHEMA_VERSION, "tags": infos }));
        return Exit::Healthy;
    }
    for tag in &chosen {
        let info = tag.info();
        out::line(&format!(
            "{BOLD}{}{PLAIN}  ({:?})",
            info.name, info.severity
        ));
        for (word, text) in [
            ("means", info.meaning),
            ("blocks", info.blocks),
            ("clears", info.clears),
            ("do", info.action),
        ] {
            out::line(&format!("  {word:<7} {text}"));
        }
    }
    Exit::Healthy
}
