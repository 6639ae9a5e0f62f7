//! Who may come in at `guard.sock`, by the credentials that the kernel gives.
//!
//! Root and the guard's own user may say everything. A member of `supervisor.operatorGroup` may
//! look and say an operator's words. Everybody else is told so and loses the connection.

use std::os::unix::net::UnixStream;

use nix::sys::socket::{UnixCredentials, getsockopt, sockopt};
use nix::unistd::{Gid, Group, Uid, User};

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

/// The rank of whoever is at the other end; a stranger if the kernel does not say.
pub(crate) fn rank(stream: &UnixStream, operator_group: Option<&str>) -> Rank {
    let Ok(peer) = getsockopt(stream, sockopt::PeerCredentials) else {
        return Rank::Stranger;
    };
    let uid = Uid::from_raw(peer.uid());
    if uid.is_root() || uid == Uid::effective() {
        Rank::Own
    } else if operator_group.is_some_and(|name| belongs(&peer, name)) {
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
    match User::from_uid(Uid::from_raw(peer.uid())) {
        Ok(Some(user)) => group.mem.contains(&user.name),
        Ok(None) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_user_is_at_home() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(rank(&ours, None), Rank::Own);
    }
}
