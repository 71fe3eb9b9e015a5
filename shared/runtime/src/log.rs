//! The log: one JSON line for each event, the fields of the spans around it beside its own.
//!
//! A search for a release then finds everything that any function did for it. Nothing secret gets here: the raw event (it holds
//! a job's credentials), user data and tokens are never given to it.

use std::fmt;
use std::io::Write;
use std::time::SystemTime;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, filter};

/// The field whose text is a JSON object of members of the line: the metrics that CloudWatch reads out of it.
const METRICS: &str = "metrics";

/// Starts the log. Ours from INFO on, what the libraries say from WARN on.
pub fn init() {
    let ours = |target: &str| {
        ["runtime", "plans", "domain", "provision", "register", "promote", "teardown"]
            .iter()
            .any(|name| target == *name || target.strip_prefix(name).is_some_and(|rest| rest.starts_with("::")))
    };
    let filter = filter::filter_fn(move |metadata| {
        *metadata.level() <= if ours(metadata.target()) { Level::INFO } else { Level::WARN }
    })
    .with_max_level_hint(filter::LevelFilter::INFO);
    // A second call (in tests) changes nothing.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(Lines.with_filter(filter)));
}

/// Writes the lines.
struct Lines;

/// The fields of a span, as they stand in each line within it.
struct Fields(Map<String, Value>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Map::new();
        attributes.record(&mut Visitor(&mut fields));
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(Fields(fields)) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(&mut Visitor(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = Map::new();
        let now = OffsetDateTime::from(SystemTime::now()).format(&Rfc3339).unwrap_or_default();
        line.insert("time".into(), now.into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        // In its place before the fields; the event's own message fills it.
        line.insert("message".into(), Value::Null);
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(Fields(fields)) = span.extensions().get::<Fields>() {
                line.extend(fields.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
        }
        event.record(&mut Visitor(&mut line));
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        // A log that cannot be written has nowhere to say so.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}

struct Visitor<'a>(&'a mut Map<String, Value>);

impl Visit for Visitor<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match serde_json::from_str(value) {
            Ok(Value::Object(metrics)) if field.name() == METRICS => self.0.extend(metrics),
            _ => {
                self.0.insert(field.name().into(), value.into());
            }
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name().into(), value.to_string().into());
    }
}
