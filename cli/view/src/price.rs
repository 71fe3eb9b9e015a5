//! The list price of an hour of a server, as AWS's price list has it.

use serde::Serialize;
use serde_json::Value;

/// What an hour costs, on demand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    pub instance_type: String,
    /// Of one server.
    pub hourly: f64,
    /// `USD`, in China `CNY`.
    pub currency: String,
}

impl Price {
    /// Reads GetProducts' answer; nothing where it has no price, or more than one.
    #[must_use]
    pub fn read(instance_type: &str, answer: &Value) -> Option<Self> {
        let [entry] = answer.get("PriceList")?.as_array()?.as_slice() else { return None };
        // Each entry is JSON in a string.
        let entry: Value = serde_json::from_str(entry.as_str()?).ok()?;
        let term = only(entry.pointer("/terms/OnDemand")?)?;
        let dimension = only(term.get("priceDimensions")?)?;
        let (currency, amount) = dimension.get("pricePerUnit")?.as_object()?.iter().next()?;
        let hourly: f64 = amount.as_str()?.parse().ok()?;
        (hourly > 0.0).then(|| Self { instance_type: instance_type.to_owned(), hourly, currency: currency.clone() })
    }

    /// What so many servers cost: `0.0832 USD`.
    #[must_use]
    pub fn of(&self, servers: usize) -> String {
        let amount = self.hourly * f64::from(u32::try_from(servers).unwrap_or(u32::MAX));
        let digits = if amount < 1.0 { 4 } else { 2 };
        format!("{amount:.digits$} {}", self.currency)
    }
}

/// The one value of an object whose key is an id.
fn only(object: &Value) -> Option<&Value> {
    let mut values = object.as_object()?.values();
    values.next().filter(|_| values.next().is_none())
}
