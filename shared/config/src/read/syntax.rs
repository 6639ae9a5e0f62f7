//! The parser's complaints in an operator's words.

use serde_yaml::granit_parser::{ErrorKind, Marker, ScanError};

use crate::problem::{Place, Problem};

/// The parser counts columns from zero.
pub(super) fn place(mark: &Marker) -> Place {
    Place {
        line: mark.line().max(1),
        column: mark.col() + 1,
    }
}

/// What the parser could not read, and what is most often behind it.
pub(super) fn problem(error: &ScanError) -> Problem {
    let problem = Problem::at(
        place(error.marker()),
        format!("this is not YAML: {}", error.info()),
    );
    match hint(error.kind()) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

const CUT: &str = "every key takes the form `key: value`; was the file cut short here?";

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's list of errors is open-ended"
)]
fn hint(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation => Some("indent with spaces, never with tabs"),
        ErrorKind::InvalidIndentation
        | ErrorKind::MappingValueNotAllowed
        | ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedDocumentStart => {
            Some("check the indentation: keys of one section start in the same column")
        }
        ErrorKind::SimpleKeyExpected
        | ErrorKind::InvalidSimpleKey
        | ErrorKind::UnexpectedEof
        | ErrorKind::UnexpectedEofBlockMapping
        | ErrorKind::UnexpectedEofBlockSequence
        | ErrorKind::ExpectedNodeContent => Some(CUT),
        ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::UnexpectedEofImplicitFlowMapping
        | ErrorKind::UnclosedFlowCollection { .. } => {
            Some("a bracket is never closed; was the file cut short?")
        }
        ErrorKind::UnclosedQuotedScalar => Some("a quote is never closed; was the file cut short?"),
        ErrorKind::RecursionLimitExceeded => Some("it is nested far deeper than any config"),
        ErrorKind::UnknownAnchor => Some("anchors and aliases are not taken: write the value out"),
        ErrorKind::DirectiveDisallowed => Some("leave out lines that begin with %"),
        _ => None,
    }
}
