//! List prices. Each is asked for once, whether it came or not: services share types, and `--watch` looks again and again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use runtime::desk::Desk;
use view::price::Price;

/// Nobody waits longer for a price.
const PATIENCE: Duration = Duration::from_secs(2);

/// The prices that were asked for.
#[derive(Default)]
pub struct Prices(RefCell<BTreeMap<String, Option<Price>>>);

impl Prices {
    /// A server's price; none where it cannot be had: not everybody has the right, and not every partition the list.
    pub async fn of(&self, instance_type: &str, desk: &Desk) -> Option<Price> {
        let known = self.0.borrow().get(instance_type).cloned();
        if let Some(price) = known {
            return price;
        }
        let list = tokio::time::timeout(PATIENCE, desk.price_list(instance_type)).await;
        let price = list.ok().and_then(Result::ok).and_then(|list| Price::read(instance_type, &list));
        self.0.borrow_mut().insert(instance_type.to_owned(), price.clone());
        price
    }
}
