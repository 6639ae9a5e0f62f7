//! `explain TAG`: the catalogue's words.

use protocol::Tag;
use serde_json::json;

use crate::cli::Explain;
use crate::exit::Exit;
use crate::failure::{Done, Failed};
use crate::out::Form;
use crate::screen::{BOLD, PLAIN};

/// Says what a tag means, what it stops, how it ends and what to do.
pub(crate) fn run(form: Form, args: &Explain) -> Done {
    let chosen: Vec<Tag> = match &args.tag {
        None => Tag::ALL.to_vec(),
        Some(text) => {
            let full = format!("safety_{text}");
            let Some(tag) = Tag::named(text).or_else(|| Tag::named(&full)) else {
                return Err(unknown(text));
            };
            vec![tag]
        }
    };
    let infos: Vec<_> = chosen.iter().map(|tag| tag.info()).collect();
    form.tell(&json!({ "tags": infos }), || {
        chosen.iter().flat_map(|tag| in_words(*tag)).collect()
    });
    Ok(Exit::Healthy)
}

/// There is no such tag: those whose name holds what was written, or all there are.
pub(crate) fn unknown(text: &str) -> Failed {
    let part = text.to_uppercase().replace('-', "_");
    let names = Tag::ALL.iter().map(|tag| tag.name());
    let near: Vec<&str> = names.clone().filter(|name| name.contains(&part)).collect();
    Failed::usage(if part.is_empty() || near.is_empty() {
        let all: Vec<&str> = names.collect();
        format!("no tag {text:?}; there are: {}", all.join(", "))
    } else {
        format!("no tag {text:?}; did you mean {}?", near.join(" or "))
    })
}

fn in_words(tag: Tag) -> Vec<String> {
    let info = tag.info();
    let head = format!("{BOLD}{}{PLAIN}  ({:?})", info.name, info.severity);
    let facts = [
        ("means", info.meaning),
        ("blocks", info.blocks),
        ("clears", info.clears),
        ("do", info.action),
    ];
    let facts = facts.map(|(word, text)| format!("  {word:<7} {text}"));
    std::iter::once(head).chain(facts).collect()
}
