//! The venue's wire. (Being built: signing first.)

pub mod signing;
