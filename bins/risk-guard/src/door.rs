//! Who may come in at `guard.sock`, by the credentials that the kernel gives.
//!
//! Root and the guard's own user may say everything. A member of `supervisor.operatorGroup` may
//! look and say an operator's words. Everybody else is told so and loses the connection.

use std::os::unix::net::UnixStream;

use daemon::user;
use nix::sys::socket::{UnixCredentials, getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid};

/// What a peer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Be the gateway, or an operator.
    Own,
    /// Be an operator.
    Operator,
    /// Nothing.
    Stranger,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    pub(crate) rank: Rank,
    /// `None` if the kernel does not say.
    uid: Option<u32>,
}

impl Visitor {
    /// By the kernel's word; a stranger without one.
    pub(crate) fn at(stream: &UnixStream, operator_group: Option<&str>) -> Self {
        let peer = getsockopt(stream, sockopt::PeerCredentials).ok();
        Self {
            rank: peer.map_or(Rank::Stranger, |peer| rank(&peer, operator_group)),
            uid: peer.map(|peer| peer.uid()),
        }
    }

    /// The user, and behind it what the client calls itself where that is another name.
    pub(crate) fn in_words(self, says: &str) -> String {
        let Some(uid) = self.uid else {
            return "nobody known".to_owned();
        };
        let user = user::in_words(uid);
        let says: String = says.chars().filter(|c| !c.is_control()).take(64).collect();
        if says.is_empty() || user::name(uid).is_some_and(|name| name == says) {
            user
        } else {
            format!("{user} for {says}")
        }
    }
}

fn rank(peer: &UnixCredentials, operator_group: Option<&str>) -> Rank {
    let uid = Uid::from_raw(peer.uid());
    if uid.is_root() || uid == Uid::effective() {
        Rank::Own
    } else if operator_group.is_some_and(|name| belongs(peer, name)) {
        Rank::Operator
    } else {
        Rank::Stranger
    }
}

fn belongs(peer: &UnixCredentials, group: &str) -> bool {
    let Ok(Some(group)) = Group::from_name(group) else {
        return false;
    };
    if group.gid == Gid::from_raw(peer.gid()) {
        return true;
    }
    user::name(peer.uid()).is_some_and(|name| group.mem.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_user_is_at_home() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(Visitor::at(&ours, None).rank, Rank::Own);
    }

    #[test]
    fn a_word_is_signed_by_the_kernel_whatever_the_client_says() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let visitor = Visitor::at(&ours, None);
        let uid = Uid::effective().as_raw();
        let user = user::in_words(uid);
        assert!(user.contains(&format!("uid {uid}")), "{user}");
        assert_eq!(visitor.in_words(""), user);
        assert_eq!(visitor.in_words(&user::name(uid).unwrap_or_default()), user);
        let long = format!("alice\n{}", "x".repeat(99));
        let signed = visitor.in_words(&long);
        assert!(
            signed.starts_with(&format!("{user} for alicex")),
            "{signed}"
        );
        assert_eq!(signed.len(), user.len() + " for ".len() + 64);
    }
}
