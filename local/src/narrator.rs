//! Tells what happens as it happens: the pipeline's steps, and what people are told.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::notices::Notice;
use crate::stack::Stack;
use crate::terminal::{Style, Terminal};

/// So many lines of a message are shown below its subject; of one that is quiet, these.
const LINES_MAX: usize = 20;
const QUIET_LINES: usize = 1;
/// Of an address that leads to AWS's console, which knows nothing of this, so much is shown.
const ADDRESS_CHARACTERS: usize = 60;

/// Tells for as long as it lives.
#[derive(Debug)]
pub struct Narrator {
    _telling: JoinSet<()>,
}

impl Narrator {
    /// Tells of everything from now on.
    #[must_use]
    pub fn of(stack: &Stack, terminal: &Terminal) -> Self {
        let mut telling = JoinSet::new();
        let (mut events, mut notices) = (stack.events(), stack.notices().subscribe());
        let terminal = terminal.clone();
        telling.spawn(async move {
            let mut begun = HashMap::new();
            let mut told = notices.borrow_and_update().len();
            loop {
                tokio::select! {
                    event = events.recv() => match event {
                        Ok(event) => tell_event(&terminal, &event, &mut begun),
                        Err(RecvError::Lagged(_)) => {}
                        Err(RecvError::Closed) => return,
                    },
                    changed = notices.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let all = notices.borrow_and_update().clone();
                        for notice in all.iter().skip(told) {
                            tell_notice(&terminal, notice);
                        }
                        told = all.len();
                    }
                }
            }
        });
        Self { _telling: telling }
    }
}

fn tell_notice(terminal: &Terminal, notice: &Notice) {
    let mail = notice.mail.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned);
    let lines: Vec<String> = if notice.mail.is_empty() { notice.lines() } else { mail.collect() };
    let most = if notice.attribute("level") == "quiet" { QUIET_LINES } else { LINES_MAX };
    let more = lines.len().saturating_sub(most);
    let mut shown: Vec<String> = lines.iter().take(most).map(|line| within(&shortened(line))).collect();
    if more > 0 {
        shown.push(format!("… {more} more lines"));
    }
    terminal.message(&shortened(&notice.subject), &shown);
}

/// A line whose long address is cut.
fn within(line: &str) -> String {
    match line.split_once("https://") {
        Some((before, address)) if address.chars().count() > ADDRESS_CHARACTERS => {
            let start: String = address.chars().take(ADDRESS_CHARACTERS).collect();
            format!("{before}https://{start}…")
        }
        _ => line.to_owned(),
    }
}

fn tell_event(terminal: &Terminal, event: &Value, begun: &mut HashMap<String, Instant>) {
    let detail = |key: &str| event.get("detail").and_then(|detail| detail.get(key)).and_then(Value::as_str);
    let text = |key: &str| detail(key).unwrap_or_default();
    let (state, execution) = (text("state"), shortened(text("execution-id")));
    match event.get("detail-type").and_then(Value::as_str).unwrap_or_default() {
        "CodePipeline Pipeline Execution State Change" => {
            let (style, mark) = match state {
                "STARTED" => (Style::Cyan, "▶"),
                "SUCCEEDED" => (Style::Green, "■"),
                _ => (Style::Red, "■"),
            };
            terminal.event(
                style,
                mark,
                text("pipeline"),
                None,
                &format!("execution {execution} {}", state.to_lowercase()),
            );
        }
        "CodePipeline Action Execution State Change" => {
            let (action, id) = (text("action"), text("action-execution-id").to_owned());
            let is_approval = event.pointer("/detail/type/category").and_then(Value::as_str) == Some("Approval");
            if state == "STARTED" {
                begun.insert(id, Instant::now());
                if is_approval {
                    terminal.event(Style::Yellow, "?", action, None, "waits for somebody's answer");
                }
                return;
            }
            let took = begun.remove(&id).map(|begun| begun.elapsed());
            let summary = event.pointer("/detail/execution-result/external-execution-summary").and_then(Value::as_str);
            let (style, mark) = if state == "SUCCEEDED" { (Style::Green, "✓") } else { (Style::Red, "✗") };
            terminal.event(style, mark, action, took, &shortened(summary.unwrap_or(&state.to_lowercase())));
        }
        _ => {}
    }
}

/// The text with each execution's id (a UUID) cut to its first eight characters, as people read them out.
#[must_use]
pub fn shortened(text: &str) -> String {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let length = GROUPS.iter().sum::<usize>() + GROUPS.len() - 1;
    let is_id = |candidate: &str| {
        let groups: Vec<&str> = candidate.split('-').collect();
        groups.len() == GROUPS.len()
            && groups
                .iter()
                .zip(GROUPS)
                .all(|(group, size)| group.len() == size && group.chars().all(|c| c.is_ascii_hexdigit()))
    };
    let mut short = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(candidate) = rest.get(..length).filter(|candidate| is_id(candidate)) {
            short.push_str(candidate.split('-').next().unwrap_or_default());
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        short.push(c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shortened_wherever_they_stand() {
        let text = "release 0b63c1f2-9d5e-4c1a-8a77-0123456789ab is product; töte 1-2";
        assert_eq!(shortened(text), "release 0b63c1f2 is product; töte 1-2");
    }
}
