//! The price list, which moto does not have: one entry for each instance type that the examples use, as AWS's API shapes it.

use std::sync::Arc;

use gateway::{Handler, Request, Response};
use serde_json::{Value, json};

/// List prices of us-east-1, by the hour.
const PRICES: [(&str, &str); 2] = [("t3.micro", "0.0104000000"), ("t3.small", "0.0208000000")];

/// Answers the calls of the service `pricing`.
#[must_use]
pub fn handler() -> Handler {
    Arc::new(|request| Box::pin(async move { answer(&request) }))
}

fn answer(request: &Request) -> Response {
    if request.action != "GetProducts" {
        return Response::error(
            request,
            400,
            "UnknownOperationException",
            "on this machine there is GetProducts alone",
        );
    }
    let body = request.json();
    let filters = body.get("Filters").and_then(Value::as_array).into_iter().flatten();
    let asked = filters.filter(|filter| filter.get("Field").is_some_and(|field| field == "instanceType"));
    let asked = asked.filter_map(|filter| filter.get("Value")?.as_str()).next();
    let entries = PRICES.iter().filter(|(instance_type, _)| asked.is_none_or(|asked| asked == *instance_type));
    Response::json(&json!({
        "FormatVersion": "aws_v1",
        "PriceList": entries.map(|(instance_type, price)| entry(instance_type, price).to_string()).collect::<Vec<_>>(),
    }))
}

fn entry(instance_type: &str, price: &str) -> Value {
    let term = format!("{instance_type}.JRTCKXETXF");
    let dimension = format!("{term}.6YS6EN2CT7");
    json!({
        "serviceCode": "AmazonEC2",
        "product": {"productFamily": "Compute Instance", "attributes": {"instanceType": instance_type}},
        "terms": {"OnDemand": {term: {"priceDimensions": {dimension: {
            "unit": "Hrs", "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": price},
        }}}}},
    })
}
