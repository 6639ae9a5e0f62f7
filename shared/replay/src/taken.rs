//! One input as a journal or a file of lines has it.

use history::Told;
use risk::Input;

/// One input as it was taken down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) input: Input,
    /// What its step brought about.
    pub(crate) answer: Answer,
}

/// What is known about what a step brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was not taken down.
    Unknown,
    /// This in short; `None`: nothing at all.
    Known(Option<Told>),
}
