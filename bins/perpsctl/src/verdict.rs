//! Which exit code a picture of the harness deserves.

use protocol::status::{ChildState, TradingState};

use crate::exit::Exit;
use crate::picture::Picture;

/// The exit code that this picture deserves.
pub(crate) fn verdict(picture: &Picture) -> Exit {
    let Some(supervisor) = &picture.supervisor else {
        return picture.supervisor_exit.unwrap_or(Exit::Degraded);
    };
    let Some(risk) = &picture.risk else {
        return Exit::Blocked;
    };
    if risk.state != TradingState::Active || !risk.synced {
        return Exit::Blocked;
    }
    let all_ready = supervisor
        .children
        .iter()
        .all(|child| child.state == ChildState::Ready);
    let clean = all_ready
        && supervisor.config.rejected.is_none()
        && supervisor.config.held.is_none()
        && supervisor.log_fault.is_none()
        && risk.waiting_for.is_empty()
        && risk.state_fault.is_none()
        && risk.unresolved == 0
        && picture
            .gateway
            .as_ref()
            .is_some_and(|gateway| gateway.synced && gateway.lease)
        && (picture.alerts.is_some() || picture.alerts_closed);
    if clean { Exit::Healthy } else { Exit::Degraded }
}
