//! Any payload, sent to the binaries as it is.

use std::time::Duration;

use fuzz::choices::Choices;
use lambda::ErrorKind;
use local::Result;
use serde_json::{Value, json};

use crate::Ran;
use crate::lane::{FUNCTIONS, Lane, SERVICE};

/// Sends so many payloads.
///
/// # Errors
/// Where the account itself fails.
pub async fn run(payloads: u64, seed: u64) -> Result<Ran> {
    let lane = Lane::start().await?;
    let mut ran = Ran::default();
    for number in 0..payloads {
        let mut c = Choices::random(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let bytes = fuzz::events::make(&mut c).bytes().to_vec();
        let function = *c.pick(&FUNCTIONS).unwrap_or(&"teardown");
        let mut value: Option<Value> = serde_json::from_slice(&bytes).ok();
        // Each job its own id, where it has one.
        let mut id = value.as_ref().and_then(|v| Some(v.pointer("/CodePipeline.job/id")?.as_str()?.to_owned()));
        id = id.filter(|id| !id.is_empty()).map(|id| format!("{}-{number}", id.chars().take(100).collect::<String>()));
        if let (Some(id), Some(place)) = (&id, value.as_mut().and_then(|v| v.pointer_mut("/CodePipeline.job/id"))) {
            *place = json!(id);
        }
        let sent = match (&id, &value) {
            (Some(_), Some(value)) => value.to_string().into_bytes(),
            _ => bytes,
        };
        let name = format!("pointsman-{function}");
        let answer = lane.stack.functions().invoke_bytes(&name, sent.clone().into()).await?;
        ran.points += 1;
        let shown = || {
            let log = answer.log.join("\n");
            format!("payload {number} of seed {seed} to {function}: {}\n{log}", String::from_utf8_lossy(&sent))
        };
        if answer.log.iter().any(|line| line.contains("panicked at")) {
            ran.breaks(format!("a function panicked\n{}", shown()));
        }
        match answer.error.as_ref().map(|error| error.kind) {
            None => {
                ran.count(format!("answered {}", answer.json().get("status").and_then(Value::as_str).unwrap_or("none")))
            }
            Some(ErrorKind::Function) => ran.count("threw: no event that it knows"),
            Some(kind) => ran.breaks(format!("a function ended by {kind:?}\n{}", shown())),
        }
        if let Some(id) = &id {
            ran.count("jobs");
            if lane.jobs.of(id).is_empty() {
                ran.breaks(format!("job {id} got no answer\n{}", shown()));
            }
        }
        if answer.duration > Duration::from_secs(19) {
            ran.breaks(format!("it took {:?}\n{}", answer.duration, shown()));
        }
        lane.free_lease(SERVICE).await?;
        if ran.broken.len() >= 3 {
            break;
        }
    }
    Ok(ran)
}
