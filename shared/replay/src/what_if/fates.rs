//! What became of each recorded order in the other history, by all the names it goes by.

use std::collections::HashMap;

use money::Qty;
use protocol::{ApprovalId, OrderId, OrderLinkId};

/// An order of the recorded history in the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was sent there too.
    Sent {
        /// Its approval there.
        approval: ApprovalId,
        /// Its link id there.
        link: OrderLinkId,
        /// Its quantity there.
        qty: Qty,
        /// Its quantity in the recording.
        recorded: Qty,
        /// Whether it could open a position.
        opens: bool,
    },
    /// It was an opening order that these limits refuse, or that they had cancelled by then:
    /// whatever it did in the recording it did not do.
    Never,
    /// It only shrank a position, and was not sent as it was: what it did happens in proportion to
    /// what is left to shrink.
    InProportion,
}

/// All orders whose fate differs from the recording, or whose names do.
#[derive(Debug, Default)]
pub(super) struct Fates {
    approvals: HashMap<ApprovalId, Fate>,
    links: HashMap<OrderLinkId, ApprovalId>,
    orders: HashMap<OrderId, ApprovalId>,
    filled: HashMap<ApprovalId, Qty>,
}

impl Fates {
    /// An order of the recording has this fate.
    pub(super) fn put(&mut self, recorded: ApprovalId, link: OrderLinkId, fate: Fate) {
        self.approvals.insert(recorded, fate);
        self.links.insert(link, recorded);
    }

    /// A change of an order was judged: its outcome goes by an approval of its own.
    pub(super) fn put_change(&mut self, recorded: ApprovalId, fate: Fate) {
        self.approvals.insert(recorded, fate);
    }

    /// The venue's name for an order.
    pub(super) fn name(&mut self, order: OrderId, approval: ApprovalId) {
        self.orders.insert(order, approval);
    }

    /// The approval of the recording behind the names of an order.
    pub(super) fn approval_of(
        &self,
        link: Option<&OrderLinkId>,
        order: Option<&OrderId>,
    ) -> Option<ApprovalId> {
        link.and_then(|link| self.links.get(link))
            .or_else(|| order.and_then(|order| self.orders.get(order)))
            .copied()
    }

    /// The fate of an approval; `None`: the same in both histories, under the same names.
    pub(super) fn of(&self, approval: ApprovalId) -> Option<Fate> {
        self.approvals.get(&approval).copied()
    }

    /// What an order still fills there, of this fill in the recording: never more than it was
    /// judged for.
    pub(super) fn fills(&mut self, approval: ApprovalId, qty: Qty, most: Qty) -> Qty {
        let filled = self.filled.entry(approval).or_insert(Qty::ZERO);
        let fills = qty.min(most.less(*filled));
        *filled = filled.plus(fills).unwrap_or(*filled);
        fills
    }

    /// From now on an order that rests in the other history is cancelled there.
    pub(super) fn cut(&mut self, there: ApprovalId) {
        let mut known = false;
        for fate in self.approvals.values_mut() {
            if let Fate::Sent { approval, .. } = fate
                && *approval == there
            {
                *fate = Fate::Never;
                known = true;
            }
        }
        if !known {
            // It goes by the same number in both.
            self.approvals.insert(there, Fate::Never);
        }
    }
}
