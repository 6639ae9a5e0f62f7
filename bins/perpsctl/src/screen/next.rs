//! What the operator should do next.

use protocol::Process;
use protocol::status::{ChildState, ChildStatus};

use super::{BOLD, PLAIN};
use crate::picture::Picture;

/// A line each, what blocks first; none where there is nothing to do.
pub(super) fn next_steps(picture: &Picture) -> Vec<String> {
    let mut steps = Vec::new();
    if let Some(trip) = picture.risk.as_ref().and_then(|risk| risk.trips.first()) {
        let info = trip.tag.info();
        steps.push(format!("{} (perpsctl explain {})", info.action, info.name));
    }
    if let Some(supervisor) = &picture.supervisor {
        for (silent, process) in [
            (picture.risk.is_none(), Process::RiskGuard),
            (picture.gateway.is_none(), Process::Gateway),
            (
                picture.alerts.is_none() && !picture.alerts_closed,
                Process::AlertForwarder,
            ),
        ] {
            let ready =
                |child: &ChildStatus| child.process == process && child.state == ChildState::Ready;
            if silent && supervisor.children.iter().any(ready) {
                steps.push(format!(
                    "wait some seconds: a {process} that stays silent is killed and started anew; \
                     perpsctl logs {process}"
                ));
            }
        }
        if supervisor.config.rejected.is_some() {
            steps.push(format!(
                "mend the config: perpsctl config check {}",
                supervisor.config.file
            ));
        }
        if supervisor.config.held.is_some() {
            steps.push(
                "look at the held edit: perpsctl config diff; then: perpsctl config confirm"
                    .to_owned(),
            );
        }
        if supervisor.log_fault.is_some() {
            steps.push("make room on the disk that holds the logs".to_owned());
        }
        for child in supervisor
            .children
            .iter()
            .filter(|c| c.state == ChildState::Latched)
        {
            steps.push(format!(
                "read perpsctl logs {0}, mend the cause, then: perpsctl restart {0}",
                child.process
            ));
        }
    }
    steps
        .iter()
        .map(|step| format!("{BOLD}do next{PLAIN}   {step}"))
        .collect()
}
