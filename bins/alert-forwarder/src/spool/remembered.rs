//! The ids of the last alerts, so that a repeat is known. Bounded: the oldest are forgotten.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Far more than a producer ever keeps for repeating.
const MOST: usize = 8192;

/// The last ids.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    order: VecDeque<Arc<str>>,
    ids: HashSet<Arc<str>>,
}

impl Remembered {
    /// Whether this id is among them.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    /// Adds an id, if it is new.
    pub(crate) fn insert(&mut self, id: &str) {
        let id: Arc<str> = Arc::from(id);
        if !self.ids.insert(Arc::clone(&id)) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first_and_the_rest_stays() {
        let mut remembered = Remembered::default();
        for n in 0..=MOST {
            remembered.insert(&n.to_string());
            remembered.insert("0");
        }
        assert_eq!(remembered.order.len(), remembered.ids.len());
        assert!(remembered.ids.len() <= MOST);
        assert!(remembered.contains(&MOST.to_string()));
        assert!(!remembered.contains("1"));
    }
}
