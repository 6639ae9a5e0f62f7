//! The strict check: every key in the file is in the catalogue and holds what its kind takes.

use std::collections::BTreeMap;

use crate::catalogue::{self, Kind};
use crate::kinds;
use crate::number::shown;
use crate::problem::{Place, Problem};
use crate::read::{Entry, Node, Placed};
use crate::suggest;
use crate::value::Value;

/// What a file says, key by key.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// Used keys that stand in the file.
    pub(crate) written: BTreeMap<&'static str, (Value, Place)>,
    /// Known keys without effect that stand in the file.
    pub(crate) unused: Vec<(String, Place)>,
    /// Everything that is wrong.
    pub(crate) problems: Vec<Problem>,
}

/// Checks a whole file.
pub(crate) fn check(root: &Placed) -> Checked {
    let mut checked = Checked::default();
    let Node::Section(entries) = &root.node else {
        let problem = Problem::at(root.place, "the file holds no sections")
            .hint("it should begin like `trading:`; was it cut short, or is it another file?");
        checked.problems.push(problem);
        return checked;
    };
    checked.section("", entries);
    if !entries.iter().any(|entry| entry.key == "perps") && checked.problems.is_empty() {
        let problem = Problem::at(Place::START, "there is no `perps:` section")
            .hint("was the file cut short? A profile without limits of its own begins like `perps:` and, below it, `  useTestnet: true`");
        checked.problems.push(problem);
    }
    checked
}

impl Checked {
    fn section(&mut self, path: &str, entries: &[Entry]) {
        for entry in entries {
            let full = if path.is_empty() {
                entry.key.clone()
            } else {
                format!("{path}.{}", entry.key)
            };
            // A point inside a name would otherwise pass for a section.
            let dotted = entry.key.contains('.');
            match catalogue::key(&full).filter(|_| !dotted) {
                Some(key) => self.key(key, entry),
                None if !dotted && catalogue::is_section(&full) => self.below(&full, entry),
                None => self.unknown(path, &full, entry),
            }
        }
    }

    fn key(&mut self, key: &'static catalogue::Key, entry: &Entry) {
        if key.kind == Kind::Anything {
            self.unused.push((key.path.to_owned(), entry.place));
            return;
        }
        match kinds::read(key, &entry.value) {
            Ok(value) => {
                self.written.insert(key.path, (value, entry.place));
            }
            Err(refusal) => {
                // An empty value has no place of its own.
                let empty = matches!(&entry.value.node, Node::Word { text, plain: true } if text.is_empty());
                let place = if empty {
                    entry.place
                } else {
                    entry.value.place
                };
                let problem = Problem {
                    place,
                    key: None,
                    what: refusal.what,
                    hint: refusal.hint,
                };
                self.problems.push(problem.about(key.path));
            }
        }
    }

    fn below(&mut self, path: &str, entry: &Entry) {
        let problem = match &entry.value.node {
            Node::Section(entries) if !entries.is_empty() => return self.section(path, entries),
            Node::Word { text, plain: true } if text.is_empty() => {
                Problem::at(entry.place, "the section is empty")
                    .hint("remove it, or fill it in; was the file cut short?")
            }
            Node::Section(_) => Problem::at(entry.value.place, "the section is empty")
                .hint("remove it, or fill it in"),
            Node::Word { text, .. } => Problem::at(
                entry.value.place,
                format!("{} stands where keys should stand below it", shown(text)),
            )
            .hint("was the file cut short?"),
            Node::List(_) => Problem::at(
                entry.value.place,
                "a list stands where keys should stand below it",
            ),
        };
        self.problems.push(problem.about(path));
    }

    fn unknown(&mut self, section: &str, full: &str, entry: &Entry) {
        let headed = section.is_empty() && matches!(entry.value.node, Node::Section(_));
        let what = if headed {
            "there is no such section"
        } else {
            "there is no such key"
        };
        let problem = Problem::at(entry.place, what).about(&short(full));
        self.problems
            .push(match suggest::for_unknown(section, &entry.key) {
                Some(hint) => problem.hint(hint),
                None => problem.hint("docs/config.md lists every key"),
            });
    }
}

/// A path from the file, safe to print.
fn short(path: &str) -> String {
    let printable: String = path.chars().filter(|c| !c.is_control()).take(80).collect();
    if printable.is_empty() {
        "(an empty name)".to_owned()
    } else {
        printable
    }
}
