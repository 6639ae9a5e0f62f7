//! What happened at the venue, as messages of the private stream.
//!
//! One message a topic and moment, with a row for each thing that changed; an order that went
//! through several states within one moment shows the last of them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::topic::PrivateTopic;
use crate::matching::{Event, Ids, MarketId, Moment, OrderNo, Venue};
use crate::rows::{coin_row, streamed_execution, streamed_order, streamed_positions, wallet_row};

/// Rows of one message at most.
const ROWS: usize = 50;

/// What changed in one moment, each thing once.
#[derive(Debug, Default)]
pub(super) struct News {
    executions: Vec<usize>,
    orders: BTreeSet<OrderNo>,
    positions: BTreeSet<MarketId>,
    wallet: bool,
}

impl News {
    pub(super) fn of(events: &[Event]) -> Self {
        let mut news = Self::default();
        for event in events {
            match event {
                Event::Execution(n) => news.executions.push(*n),
                Event::Order(no) => {
                    news.orders.insert(*no);
                }
                Event::Position(id) => {
                    news.positions.insert(*id);
                }
                Event::Wallet => news.wallet = true,
                // Has no stream; what it is made of has.
                Event::Closed(_) => {}
            }
        }
        news
    }

    /// The messages of one topic, ready to be sent.
    pub(super) fn messages(
        &self,
        topic: PrivateTopic,
        venue: &Venue,
        ids: &mut Ids,
        now: Moment,
    ) -> Vec<String> {
        self.rows(topic, venue)
            .chunks(ROWS)
            .map(|rows| {
                let message = json!({
                    "id": ids.next(),
                    "topic": topic.name(),
                    "creationTime": now.ms(),
                    "data": rows,
                });
                message.to_string()
            })
            .collect()
    }

    fn rows(&self, topic: PrivateTopic, venue: &Venue) -> Vec<Value> {
        match topic {
            PrivateTopic::Execution => {
                let all = venue.executions();
                self.executions
                    .iter()
                    .filter_map(|n| Some(streamed_execution(venue, *n, all.get(*n)?)))
                    .collect()
            }
            PrivateTopic::Order => self
                .orders
                .iter()
                .map(|no| streamed_order(venue, venue.order(*no)))
                .collect(),
            PrivateTopic::Position => self
                .positions
                .iter()
                .flat_map(|id| streamed_positions(venue, *id))
                .collect(),
            PrivateTopic::Wallet if self.wallet => {
                let (kind, wallet) = (venue.account(), venue.wallet());
                vec![wallet_row(kind, &wallet, &[coin_row(kind, &wallet)])]
            }
            PrivateTopic::Wallet => Vec::new(),
        }
    }
}
