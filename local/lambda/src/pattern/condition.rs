//! One condition on a field: a value, or one of EventBridge's operators.

use std::net::IpAddr;

use serde_json::Value;

use super::PatternError;

/// What a leaf of a pattern asks of a field.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Equals(Value),
    Exists(bool),
    Text(TextTest),
    Numeric(Vec<(Comparison, f64)>),
    Cidr {
        network: IpAddr,
        bits: u8,
    },
    /// None of these values.
    NoneOf(Vec<Value>),
    /// A text for which none of these tests holds.
    NoText(Vec<TextTest>),
}

#[derive(Clone, Debug)]
pub(super) enum TextTest {
    Prefix(String),
    Suffix(String),
    /// In lower case, as are the three below it.
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    EqualsIgnoringCase(String),
    /// The literal parts between the `*`s.
    Wildcard(Vec<String>),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

impl Condition {
    pub(super) fn parse(at: &str, written: &Value) -> Result<Self, PatternError> {
        let members = match written {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Ok(Self::Equals(written.clone()));
            }
            Value::Array(_) => return Err(PatternError::new(at, "an array may not stand in an array")),
            Value::Object(members) => members,
        };
        let mut members = members.iter();
        let (Some((operator, argument)), None) = (members.next(), members.next()) else {
            return Err(PatternError::new(at, "a condition has one operator"));
        };
        match operator.as_str() {
            "exists" => match argument.as_bool() {
                Some(wanted) => Ok(Self::Exists(wanted)),
                None => Err(PatternError::new(at, "exists takes true or false")),
            },
            "numeric" => numeric(at, argument),
            "cidr" => cidr(at, argument),
            "anything-but" => anything_but(at, argument),
            _ => Ok(Self::Text(TextTest::parse(at, operator, argument)?)),
        }
    }

    /// Whether the condition holds for a field; nothing stands for a field that is not there. Of an
    /// array, one element has to match.
    pub(super) fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            // Only leaves exist, in the words of EventBridge; an empty array has none.
            (Self::Exists(wanted), Some(Value::Array(items))) => *wanted != items.is_empty(),
            (Self::Exists(wanted), value) => *wanted == value.is_some_and(|value| !value.is_object()),
            (_, None) => false,
            (_, Some(Value::Array(items))) => items.iter().any(|item| self.holds(Some(item))),
            (_, Some(Value::Object(_))) => false,
            (_, Some(leaf)) => self.holds_for_leaf(leaf),
        }
    }

    fn holds_for_leaf(&self, leaf: &Value) -> bool {
        match self {
            Self::Equals(wanted) => leaf == wanted,
            Self::Exists(wanted) => *wanted,
            Self::Text(test) => leaf.as_str().is_some_and(|text| test.holds(text)),
            Self::Numeric(comparisons) => leaf
                .as_f64()
                .is_some_and(|number| comparisons.iter().all(|(comparison, bound)| comparison.holds(number, *bound))),
            Self::Cidr { network, bits } => {
                leaf.as_str().and_then(|text| text.parse().ok()).is_some_and(|address| within(*network, *bits, address))
            }
            Self::NoneOf(values) => !values.contains(leaf),
            Self::NoText(tests) => leaf.as_str().is_none_or(|text| !tests.iter().any(|test| test.holds(text))),
        }
    }
}

impl TextTest {
    fn parse(at: &str, operator: &str, argument: &Value) -> Result<Self, PatternError> {
        let ignoring_case = argument.get("equals-ignore-case").and_then(Value::as_str);
        match (operator, argument.as_str(), ignoring_case) {
            ("prefix", Some(text), _) => Ok(Self::Prefix(text.to_owned())),
            ("prefix", None, Some(text)) => Ok(Self::PrefixIgnoringCase(text.to_lowercase())),
            ("suffix", Some(text), _) => Ok(Self::Suffix(text.to_owned())),
            ("suffix", None, Some(text)) => Ok(Self::SuffixIgnoringCase(text.to_lowercase())),
            ("equals-ignore-case", Some(text), _) => Ok(Self::EqualsIgnoringCase(text.to_lowercase())),
            ("wildcard", Some(text), _) => wildcard(at, text),
            ("prefix" | "suffix" | "equals-ignore-case" | "wildcard", None, _) => {
                Err(PatternError::new(at, format!("{operator} takes a text")))
            }
            _ => Err(PatternError::new(at, format!("there is no operator {operator}"))),
        }
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Prefix(start) => text.starts_with(start),
            Self::Suffix(end) => text.ends_with(end),
            Self::PrefixIgnoringCase(start) => text.to_lowercase().starts_with(start),
            Self::SuffixIgnoringCase(end) => text.to_lowercase().ends_with(end),
            Self::EqualsIgnoringCase(wanted) => text.to_lowercase() == *wanted,
            Self::Wildcard(parts) => wildcard_holds(parts, text),
        }
    }
}

impl Comparison {
    fn holds(self, number: f64, bound: f64) -> bool {
        match self {
            Self::Less => number < bound,
            Self::LessOrEqual => number <= bound,
            Self::Equal => (number - bound).abs() < f64::EPSILON,
            Self::GreaterOrEqual => number >= bound,
            Self::Greater => number > bound,
        }
    }
}

fn numeric(at: &str, argument: &Value) -> Result<Condition, PatternError> {
    let wrong = || PatternError::new(at, "numeric takes an array such as [\">\", 0, \"<=\", 5]");
    let written = argument.as_array().filter(|all| !all.is_empty()).ok_or_else(wrong)?;
    let mut comparisons = Vec::new();
    for pair in written.chunks(2) {
        let [operator, bound] = pair else { return Err(wrong()) };
        let comparison = match operator.as_str() {
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::LessOrEqual,
            Some("=") => Comparison::Equal,
            Some(">=") => Comparison::GreaterOrEqual,
            Some(">") => Comparison::Greater,
            Some(_) | None => return Err(wrong()),
        };
        comparisons.push((comparison, bound.as_f64().ok_or_else(wrong)?));
    }
    Ok(Condition::Numeric(comparisons))
}

fn cidr(at: &str, argument: &Value) -> Result<Condition, PatternError> {
    let parsed = argument.as_str().and_then(|text| text.split_once('/')).and_then(|(network, bits)| {
        let network: IpAddr = network.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let bits_max = if network.is_ipv4() { 32 } else { 128 };
        (bits <= bits_max).then_some(Condition::Cidr { network, bits })
    });
    parsed.ok_or_else(|| PatternError::new(at, "cidr takes a network such as 10.0.0.0/24"))
}

fn within(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    // Shifting by the whole width is not defined, and means that every address is within.
    let below = |value: u128| value.checked_shr(width - u32::from(bits)).unwrap_or(0);
    below(network) == below(address)
}

fn anything_but(at: &str, argument: &Value) -> Result<Condition, PatternError> {
    let list = |value: &Value| match value {
        Value::Array(values) => values.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => vec![value.clone()],
    };
    if let Some(members) = argument.as_object() {
        let mut members = members.iter();
        let (Some((operator, argument)), None) = (members.next(), members.next()) else {
            return Err(PatternError::new(at, "anything-but takes one operator"));
        };
        let tests = list(argument);
        let tests = tests.iter().map(|argument| TextTest::parse(at, operator, argument));
        return Ok(Condition::NoText(tests.collect::<Result<_, _>>()?));
    }
    let values = list(argument);
    if values.is_empty() || values.iter().any(|value| value.is_object() || value.is_array()) {
        return Err(PatternError::new(at, "anything-but takes values, or one operator"));
    }
    Ok(Condition::NoneOf(values))
}

/// Splits at each `*` that no backslash precedes.
fn wildcard(at: &str, text: &str) -> Result<TextTest, PatternError> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    let mut star_before = false;
    while let Some(character) = characters.next() {
        let literal = match character {
            '*' if star_before => {
                return Err(PatternError::new(at, "consecutive wildcard characters are not allowed"));
            }
            '*' => {
                star_before = true;
                parts.push(String::new());
                continue;
            }
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => escaped,
                Some(_) | None => {
                    return Err(PatternError::new(at, "a backslash in a wildcard escapes `*` or itself"));
                }
            },
            other => other,
        };
        star_before = false;
        if let Some(part) = parts.last_mut() {
            part.push(literal);
        }
    }
    Ok(TextTest::Wildcard(parts))
}

/// The first part starts the text, the last ends it, those between come in their order. Taking each as
/// early as it comes leaves the most room for the next, so nothing has to be tried twice.
fn wildcard_holds(parts: &[String], text: &str) -> bool {
    let Some((first, others)) = parts.split_first() else { return false };
    let Some((last, between)) = others.split_last() else { return text == first };
    let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
    for part in between {
        match rest.split_once(part.as_str()) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}
