//! A notice as an event of the account's EventBridge bus, for whoever wants to build on it. `docs/events.schema.json` describes
//! the detail; members may be added to it, and none is taken away or changes its meaning without a new `version`.

use serde_json::{Map, Value, json};

use super::{FREEZE, Notice, ROLLBACK, SENTENCE_CHARACTERS, SPARED, Status, cut};

/// The source of all our events.
pub const SOURCE: &str = "pointsman";
/// The version of the detail's schema.
const VERSION: &str = "1";
/// What all lines may have, and all places: EventBridge takes entries of 262,144 bytes.
const LIST_CHARACTERS: usize = 8_000;
/// What an output variable may have.
const OUTPUT_CHARACTERS: usize = 4_000;
/// How many steps to take next are named.
const STEPS: usize = 10;

impl Notice {
    /// The event's `detail-type`: one for each verb, one for what became of a release without a call, one for what people
    /// have to know. How it stands is in the detail.
    pub fn detail_type(&self) -> &'static str {
        match (self.status, self.event.as_str()) {
            (_, "provision") => "Pointsman Provision",
            (_, "register") => "Pointsman Register",
            (_, "promote") => "Pointsman Promote",
            (_, "finish") => "Pointsman Finish",
            (_, ROLLBACK | SPARED) => "Pointsman Rollback",
            (_, "remove") => "Pointsman Remove",
            (_, "rejected") => "Pointsman Release Rejected",
            (Status::Attention, _) | (_, FREEZE) => "Pointsman Attention",
            (Status::Done | Status::Refused | Status::Failed, _) => "Pointsman Call",
        }
    }

    /// The event's detail.
    pub fn detail(&self, region: &str) -> Value {
        let mut detail = Map::new();
        let mut put = |key: &str, value: Value| drop(detail.insert(key.to_owned(), value));
        put("version", json!(VERSION));
        put("service", json!(self.service));
        if let Some(release) = &self.release {
            put("release", json!(release));
        }
        put("event", json!(self.event));
        put("status", json!(self.status.as_str()));
        put("level", json!(self.level().as_str()));
        put("headline", json!(cut(&self.headline, SENTENCE_CHARACTERS)));
        put("lines", json!(within(self.lines.iter().map(|line| (line, ())), |line, ()| json!(line))));
        let look = self.look.iter().map(|(label, place)| (place, label));
        put("look", json!(within(look, |place, label| json!({"label": label, "place": place}))));
        let next = self.next.iter().take(STEPS).map(|next| cut(next, SENTENCE_CHARACTERS));
        put("next", json!(next.collect::<Vec<_>>()));
        put("asked_by", json!(cut(self.who(), SENTENCE_CHARACTERS)));
        if let Some(pipeline) = &self.pipeline {
            put("pipeline", json!(cut(pipeline, SENTENCE_CHARACTERS)));
        }
        if let Some(url) = self.execution_url(region) {
            put("execution_url", json!(url));
        }
        if !self.outputs.is_empty() {
            let outputs =
                self.outputs.iter().map(|(name, value)| ((*name).to_owned(), json!(cut(value, OUTPUT_CHARACTERS))));
            put("outputs", Value::Object(outputs.collect()));
        }
        Value::Object(detail)
    }
}

/// As much of a list as fits.
fn within<'t, T>(list: impl Iterator<Item = (&'t String, T)>, make: impl Fn(String, T) -> Value) -> Vec<Value> {
    let mut left = LIST_CHARACTERS;
    let mut fitting = Vec::new();
    for (text, more) in list {
        let text = cut(text, left);
        left = left.saturating_sub(text.chars().count().max(20));
        fitting.push(make(text, more));
        if left == 0 {
            break;
        }
    }
    fitting
}
