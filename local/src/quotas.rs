//! Service Quotas, which moto does not have: each quota of virtual processors as a larger account has it.

use std::sync::Arc;

use gateway::{Handler, Request, Response};
use serde_json::{Value, json};

const PROCESSORS: f64 = 1920.0;

/// Answers the calls of the service `servicequotas`.
#[must_use]
pub fn handler() -> Handler {
    Arc::new(|request| Box::pin(async move { answer(&request) }))
}

fn answer(request: &Request) -> Response {
    if request.action != "GetServiceQuota" {
        let message = "on this machine there is GetServiceQuota alone";
        return Response::error(request, 400, "UnknownOperationException", message);
    }
    let code = request.json().get("QuotaCode").and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances";
    Response::json(&json!({"Quota": {
        "ServiceCode": "ec2", "QuotaCode": code, "QuotaName": name, "Value": PROCESSORS, "Unit": "None", "Adjustable": true,
    }}))
}
