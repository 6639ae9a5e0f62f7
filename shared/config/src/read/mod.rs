//! Text in, a small tree of sections, keys and words out, each with its place in the file.
//!
//! What this room is for: it takes the plain part of YAML that configs need (sections, keys, words,
//! lists, comments) and refuses the rest with a place and a sentence: anchors and aliases, merge
//! keys, tags, several documents, duplicate keys, deep nesting, large files. A word stays the text
//! it was written as, so a number never passes through a float. What it does not do: know any key
//! (`check` does), or guess types.

mod syntax;
mod tree;

pub(crate) use tree::{Entry, Node, Placed, read_tree};
