//! The tree and its builder: a flat loop over parser events, so that no input can exhaust the stack.

use std::collections::BTreeMap;

use serde_yaml::granit_parser::{Event, Options, Parser, ScalarStyle, Span};

use super::syntax;
use crate::problem::{Place, Problem};

/// The largest config that is read, in bytes. A full one has about ten thousand.
const MOST_BYTES: usize = 256 * 1024;
/// The deepest nesting that is read. A full config uses four levels.
const DEEPEST: usize = 16;

/// What stands at one place.
#[derive(Debug)]
pub(crate) enum Node {
    /// A single word or text, as written.
    Word {
        /// The text after unquoting.
        text: String,
        /// Whether it stood there without quotes.
        plain: bool,
    },
    /// Keys and their values in the order of the file.
    Section(Vec<Entry>),
    /// A list.
    List(Vec<Placed>),
}

/// A node with its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// One `key: value`.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Placed,
}

/// Reads the whole text. Duplicate keys are collected beside the tree, which keeps the first of
/// each; any other problem ends the reading.
pub(crate) fn read_tree(text: &str) -> Result<(Placed, Vec<Problem>), Vec<Problem>> {
    if text.len() > MOST_BYTES {
        let what = format!(
            "the file has {} bytes; at most {MOST_BYTES} are read",
            text.len()
        );
        return Err(vec![
            Problem::at(Place::START, what).hint("is this the right file?"),
        ]);
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    options.emit_anchor_events = true;
    options.flow_nesting_limit = DEEPEST;
    options.block_nesting_limit = DEEPEST;

    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::default();
    loop {
        match parser.next_event() {
            None => break,
            Some(Ok((event, span))) => {
                if let Err(problem) = builder.take(event, &span) {
                    return Err(builder.with(problem));
                }
            }
            Some(Err(error)) => return Err(builder.with(syntax::problem(&error))),
        }
    }
    builder.finish()
}

/// What is open while its content is read.
enum Open {
    Section {
        place: Place,
        entries: Vec<Entry>,
        /// Keys seen so far, and where.
        seen: BTreeMap<String, Place>,
        /// A key that waits for its value.
        key: Option<(String, Place)>,
    },
    List {
        place: Place,
        items: Vec<Placed>,
    },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Placed>,
    documents: usize,
    problems: Vec<Problem>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let place = syntax::place(&span.start);
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Comment(..) => {
                Ok(())
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 1 {
                    return Ok(());
                }
                Err(Problem::at(place, "a second document begins here")
                    .hint("a config is one document: remove the `---`"))
            }
            Event::Alias(..) | Event::UnresolvedAlias(..) | Event::Anchor(..) => {
                Err(no_anchors(place))
            }
            Event::Scalar(text, style, _, tag) => {
                untagged(tag.is_some(), span)?;
                let plain = style == ScalarStyle::Plain;
                // The parser writes `~` where nothing stands; nothing must not look like `null`.
                let nothing = plain && span.is_empty();
                let text = if nothing {
                    String::new()
                } else {
                    text.into_owned()
                };
                self.close(Placed {
                    place,
                    node: Node::Word { text, plain },
                })
            }
            Event::SequenceStart(_, _, tag) => {
                untagged(tag.is_some(), span)?;
                self.deeper(
                    place,
                    Open::List {
                        place,
                        items: Vec::new(),
                    },
                )
            }
            Event::MappingStart(_, _, tag) => {
                untagged(tag.is_some(), span)?;
                let (entries, seen) = (Vec::new(), BTreeMap::new());
                self.deeper(
                    place,
                    Open::Section {
                        place,
                        entries,
                        seen,
                        key: None,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Section { place, entries, .. }) => self.close(Placed {
                    place,
                    node: Node::Section(entries),
                }),
                Some(Open::List { place, items }) => self.close(Placed {
                    place,
                    node: Node::List(items),
                }),
                None => Err(Problem::at(place, "something ends here that never began")),
            },
            _ => Err(Problem::at(place, "this part of YAML is not taken")),
        }
    }

    fn deeper(&mut self, place: Place, open: Open) -> Result<(), Problem> {
        if self.open.len() >= DEEPEST {
            return Err(Problem::at(
                place,
                format!("nested more than {DEEPEST} levels deep"),
            ));
        }
        self.open.push(open);
        Ok(())
    }

    /// A node is complete: it becomes a key, a value, an item or the root.
    fn close(&mut self, done: Placed) -> Result<(), Problem> {
        match self.open.last_mut() {
            None => self.root = Some(done),
            Some(Open::List { items, .. }) => items.push(done),
            Some(Open::Section {
                entries, seen, key, ..
            }) => match key.take() {
                None => *key = Some(as_key(done)?),
                Some((name, place)) => {
                    if let Some(first) = seen.get(&name) {
                        let what = format!("stands here twice: first at line {}", first.line);
                        let problem = Problem::at(place, what).about(&name);
                        self.problems.push(problem.hint("keep one of the two"));
                    } else {
                        seen.insert(name.clone(), place);
                        entries.push(Entry {
                            key: name,
                            place,
                            value: done,
                        });
                    }
                }
            },
        }
        Ok(())
    }

    fn with(mut self, last: Problem) -> Vec<Problem> {
        self.problems.push(last);
        self.problems
    }

    fn finish(self) -> Result<(Placed, Vec<Problem>), Vec<Problem>> {
        let nothing =
            |node: &Node| matches!(node, Node::Word { text, plain: true } if text.is_empty());
        match self.root {
            Some(root) if !nothing(&root.node) => Ok((root, self.problems)),
            Some(_) | None => Err(vec![
                Problem::at(Place::START, "the file is empty")
                    .hint("start from configs/zoomex_example.yaml"),
            ]),
        }
    }
}

fn as_key(done: Placed) -> Result<(String, Place), Problem> {
    match done.node {
        Node::Word { text, plain: true } if text == "<<" => {
            Err(Problem::at(done.place, "merge keys (`<<`) are not taken")
                .hint("write the keys out"))
        }
        Node::Word { text, .. } => Ok((text, done.place)),
        Node::Section(_) | Node::List(_) => {
            Err(Problem::at(done.place, "a list or section cannot be a key"))
        }
    }
}

fn no_anchors(place: Place) -> Problem {
    Problem::at(
        place,
        "anchors and aliases (`&name`, `*name`) are not taken",
    )
    .hint("write the value out")
}

fn untagged(tagged: bool, span: &Span) -> Result<(), Problem> {
    if !tagged {
        return Ok(());
    }
    let place = syntax::place(&span.tag_start().unwrap_or(span.start));
    Err(Problem::at(place, "tags (`!name`) are not taken").hint("write the bare value"))
}
