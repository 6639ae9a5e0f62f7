//! Users by the number that the kernel gives.

use nix::unistd::{Uid, User};

/// A user's name; `None` if this machine has none for the number.
pub fn name(uid: u32) -> Option<String> {
    let known = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    known.map(|user| user.name)
}

/// A user as an operator knows them: `alice (uid 1000)`, or `uid 1000`.
pub fn in_words(uid: u32) -> String {
    name(uid).map_or_else(
        || format!("uid {uid}"),
        |name| format!("{name} (uid {uid})"),
    )
}
