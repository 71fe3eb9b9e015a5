//! The answer of an invocation with the lines that Lambda writes around the function's own.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::answer::{Answer, ErrorKind};
use crate::logs::LogLine;
use crate::process::Outcome;
use crate::template::FunctionSpec;

/// Puts together what the caller gets.
pub(crate) fn answer(spec: &FunctionSpec, request_id: &str, event: Bytes, attempt: u64, outcome: Outcome) -> Answer {
    let Outcome { result, lines, init, duration, peak_rss_bytes, reusable: _ } = outcome;
    let (payload, error) = match result {
        Ok(payload) => (payload, None),
        Err(error) => (error.payload.clone(), Some(error)),
    };
    let billed_ms = (init.unwrap_or_default() + duration).as_micros().div_ceil(1000);
    let mut log = vec![format!("START RequestId: {request_id} Version: $LATEST")];
    log.extend(lines);
    if let Some(error) = &error {
        match error.kind {
            ErrorKind::Timeout | ErrorKind::Exit => log.push(error.message.clone()),
            // The function, or its runtime, wrote that itself.
            ErrorKind::Function | ErrorKind::Init => {}
        }
    }
    log.push(format!("END RequestId: {request_id}"));
    let mut report = format!(
        "REPORT RequestId: {request_id}\tDuration: {:.2} ms\tBilled Duration: {billed_ms} ms\tMemory Size: {} MB",
        milliseconds(duration),
        spec.memory_mb,
    );
    if let Some(bytes) = peak_rss_bytes {
        report.push_str(&format!("\tMax Memory Used: {} MB", bytes.div_ceil(1024 * 1024)));
    }
    if let Some(init) = init {
        report.push_str(&format!("\tInit Duration: {:.2} ms", milliseconds(init)));
    }
    if let Some(error) = &error {
        match error.kind {
            ErrorKind::Timeout => report.push_str("\tStatus: timeout"),
            ErrorKind::Exit | ErrorKind::Init => {
                report.push_str(&format!("\tStatus: error\tError Type: {}", error.error_type));
            }
            ErrorKind::Function => {}
        }
    }
    log.push(report);
    Answer {
        function: spec.name.clone(),
        request_id: request_id.to_owned(),
        attempt,
        event,
        payload,
        error,
        log,
        duration,
        init_duration: init,
        billed_ms: u64::try_from(billed_ms).unwrap_or(u64::MAX),
        peak_rss_bytes,
    }
}

/// The log of an answer with the time of each line: its own where it says one, else that of the line before.
pub(crate) fn lines(answer: &Answer, began: SystemTime) -> Vec<LogLine> {
    let now = SystemTime::now();
    let mut time = began;
    let mut lines = Vec::new();
    for (index, text) in answer.log.iter().enumerate() {
        if let Some(said) = time_of(text) {
            time = said.clamp(time, now);
        } else if index + 2 >= answer.log.len() {
            // END and REPORT come when all is over.
            time = now;
        }
        lines.push(LogLine { time, request_id: answer.request_id.clone(), text: text.clone() });
    }
    lines
}

fn time_of(text: &str) -> Option<SystemTime> {
    let line: Value = serde_json::from_str(text).ok()?;
    let time = line.get("timestamp")?.as_str()?;
    OffsetDateTime::parse(time, &Rfc3339).ok().map(SystemTime::from)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
