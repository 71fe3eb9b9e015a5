//! A listener's rules as HAProxy's map: one pattern for each rule, in the order of their priorities.
//!
//! A request is looked up as `cookie|SOURCE|host|path`: the group that a sticky rule's cookie names, the client's
//! address in hexadecimal, the host in lower case without a port, the path without the query. The first pattern that
//! matches has the action as its value:
//!
//! ```text
//! forward:<sum of weights>:<0>:<goal>:<first weight>:<goal>:<first two weights>:<goal>…
//! fixed:<status>:<content type>:<body, percent-encoded>
//! ```
//!
//! A goal is a backend, in a sticky rule `<backend>=<what the cookie says>=<seconds that it lives>`. A sticky rule has a
//! pattern more for each of its groups, before its own: whoever brings that group's cookie goes there, whatever its weight.
//!
//! All of it is one map because HAProxy changes a map in one step: no request sees half of a change.

use std::fmt::Write as _;

use ipnet::Ipv4Net;

use super::read::{Action, Condition, Rule, WeightedGroup};

/// The backend that answers for a group without registered targets, and for a rule whose weights are all 0.
pub const NO_TARGETS: &str = "no-targets";

/// How many groups a forward action may have; AWS's own limit.
pub const GROUPS_MAX: usize = 5;

/// A line of the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub pattern: String,
    pub value: String,
}

/// Renders the rules. A rule that this load balancer cannot follow is left out and named among the problems.
pub fn render(rules: &[Rule], backend: impl Fn(&str) -> Option<String>) -> (Vec<Entry>, Vec<String>) {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for rule in rules {
        match (pattern(&rule.conditions), value(&rule.action, &backend)) {
            (Ok(pattern), Ok(value)) => {
                entries.extend(cookies(&rule.action, &pattern, &backend));
                entries.push(Entry { pattern: format!("^[^|]*{pattern}"), value });
            }
            (Err(problem), _) | (_, Err(problem)) => problems.push(format!("rule {} is left out: {problem}", rule.arn)),
        }
    }
    (entries, problems)
}

/// What a sticky rule does with the cookies of its groups.
fn cookies(action: &Action, pattern: &str, backend: impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let Action::Forward { groups, sticky_seconds: Some(seconds) } = action else { return Vec::new() };
    let entry = |group: &WeightedGroup| Entry {
        pattern: format!("^{}{pattern}", cookie(&group.arn)),
        value: format!("forward:1:0:{}", goal(&group.arn, Some(*seconds), &backend)),
    };
    groups.iter().map(entry).collect()
}

/// What a cookie says: the end of its group's ARN, which no other group has.
fn cookie(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// Where requests for a group go.
fn goal(arn: &str, sticky_seconds: Option<u32>, backend: impl Fn(&str) -> Option<String>) -> String {
    match (backend(arn), sticky_seconds) {
        (None, _) => NO_TARGETS.to_owned(),
        (Some(backend), None) => backend,
        (Some(backend), Some(seconds)) => format!("{backend}={}={seconds}", cookie(arn)),
    }
}

/// Everything but the cookie, with which a pattern begins.
fn pattern(conditions: &[Condition]) -> Result<String, String> {
    let (mut sources, mut hosts, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        match condition {
            Condition::SourceIps(networks) => sources.push(any_of(networks.iter().map(network))),
            // The path may hold a bar, so the host must not: `[^|]` keeps each pattern to its own part.
            Condition::Hosts(values) => {
                hosts.push(any_of(values.iter().map(|value| wildcards(&value.to_lowercase(), "[^|]"))))
            }
            Condition::Paths(values) => paths.push(any_of(values.iter().map(|value| wildcards(value, ".")))),
            Condition::Unknown(field) => return Err(format!("the condition {field} is not known here")),
        }
    }
    // AWS takes each of these fields once in a rule.
    let part = |parts: Vec<String>, otherwise: &str| match parts.as_slice() {
        [] => Ok(otherwise.to_owned()),
        [one] => Ok(one.clone()),
        _ => Err("it has two conditions of one field".to_owned()),
    };
    Ok(format!("[|]{}[|]{}[|]{}$", part(sources, "[^|]*")?, part(hosts, "[^|]*")?, part(paths, ".*")?))
}

/// Matches any of the patterns, and nothing where there is none.
fn any_of(patterns: impl Iterator<Item = String>) -> String {
    let patterns: Vec<String> = patterns.collect();
    if patterns.is_empty() { "(?!)".to_owned() } else { format!("({})", patterns.join("|")) }
}

/// `*` is any number of characters, `?` one; all else stands for itself.
fn wildcards(text: &str, any: &str) -> String {
    let mut pattern = String::new();
    for byte in text.bytes() {
        match byte {
            b'*' => {
                pattern.push_str(any);
                pattern.push('*');
            }
            b'?' => pattern.push_str(any),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'/' => pattern.push(char::from(byte)),
            other => {
                let _ = write!(pattern, "\\x{other:02x}");
            }
        }
    }
    pattern
}

/// A network as a pattern over eight hexadecimal digits.
fn network(network: &Ipv4Net) -> String {
    let (whole, rest) = (usize::from(network.prefix_len() / 4), u32::from(network.prefix_len() % 4));
    let digits = format!("{:08X}", u32::from(network.network()));
    let mut pattern: String = digits.chars().take(whole).collect();
    let mut open = 8 - whole;
    if rest > 0 {
        // The digit in which the prefix ends: those values that agree with it in the bits that count.
        let first = digits.chars().nth(whole).and_then(|digit| digit.to_digit(16)).unwrap_or(0);
        let values = (first..first + (1 << (4 - rest))).filter_map(|digit| char::from_digit(digit, 16));
        pattern.push('[');
        pattern.extend(values.map(|digit| digit.to_ascii_uppercase()));
        pattern.push(']');
        open -= 1;
    }
    pattern.push_str(&".".repeat(open));
    pattern
}

fn value(action: &Action, backend: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    match action {
        Action::Forward { groups, sticky_seconds } => forward(groups, *sticky_seconds, backend),
        Action::FixedResponse { status, content_type, body } => {
            let body: String = form_urlencoded::byte_serialize(body.as_bytes()).collect();
            let content_type = if content_type.is_empty() { "text/plain" } else { content_type };
            Ok(format!("fixed:{status}:{content_type}:{body}"))
        }
        Action::Unknown(kind) => Err(format!("the action {kind} is not known here")),
    }
}

fn forward(
    groups: &[WeightedGroup],
    sticky_seconds: Option<u32>,
    backend: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    if groups.len() > GROUPS_MAX {
        return Err(format!("it forwards to {} groups, and AWS allows {GROUPS_MAX}", groups.len()));
    }
    let total: u32 = groups.iter().map(|group| group.weight).sum();
    if total == 0 {
        return Ok(format!("forward:1:0:{NO_TARGETS}"));
    }
    let mut value = format!("forward:{total}");
    let mut sum = 0;
    for group in groups.iter().filter(|group| group.weight > 0) {
        let _ = write!(value, ":{sum}:{}", goal(&group.arn, sticky_seconds, &backend));
        sum += group.weight;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    fn weights(weights: &[(&str, u32)]) -> Action {
        let weighted = |(arn, weight): &(&str, u32)| WeightedGroup { arn: (*arn).to_owned(), weight: *weight };
        Action::Forward { groups: weights.iter().map(weighted).collect(), sticky_seconds: None }
    }

    fn all_rendered(conditions: Vec<Condition>, action: Action) -> Vec<Entry> {
        let rule = Rule { arn: "r".to_owned(), conditions, action };
        let (entries, problems) = render(&[rule], |arn| (arn != "empty").then(|| format!("backend-{arn}")));
        assert_eq!(problems, Vec::<String>::new());
        entries
    }

    fn rendered(conditions: Vec<Condition>, action: Action) -> Entry {
        all_rendered(conditions, action).remove(0)
    }

    #[test]
    fn conditions_are_one_pattern() {
        let networks =
            |values: &[&str]| Condition::SourceIps(values.iter().map(|value| value.parse().unwrap()).collect());
        for (why, conditions, pattern) in [
            ("the default rule takes all", vec![], r"^[^|]*[|][^|]*[|][^|]*[|].*$"),
            (
                "hosts in lower case",
                vec![Condition::Hosts(texts(&["*.Example.com", "a"]))],
                r"^[^|]*[|][^|]*[|]([^|]*\x2eexample\x2ecom|a)[|].*$",
            ),
            ("paths as they are", vec![Condition::Paths(texts(&["/A?/*"]))], r"^[^|]*[|][^|]*[|][^|]*[|](/A./.*)$"),
            (
                "source and host",
                vec![
                    networks(&["10.0.0.0/8", "172.16.0.0/12", "1.2.3.4/32", "128.0.0.0/1"]),
                    Condition::Hosts(texts(&["a"])),
                ],
                r"^[^|]*[|](0A......|AC1.....|01020304|[89ABCDEF].......)[|](a)[|].*$",
            ),
            ("no IPv4 source at all", vec![networks(&[])], r"^[^|]*[|](?!)[|][^|]*[|].*$"),
            ("every source", vec![networks(&["0.0.0.0/0"])], r"^[^|]*[|](........)[|][^|]*[|].*$"),
        ] {
            assert_eq!(rendered(conditions, weights(&[("g", 1)])).pattern, pattern, "{why}");
        }
    }

    #[test]
    fn actions_are_values() {
        for (why, action, value) in [
            ("one group", weights(&[("a", 100)]), "forward:100:0:backend-a"),
            ("weight 0 gets nothing", weights(&[("a", 0), ("b", 100)]), "forward:100:0:backend-b"),
            (
                "shares",
                weights(&[("a", 10), ("b", 80), ("c", 10)]),
                "forward:100:0:backend-a:10:backend-b:90:backend-c",
            ),
            (
                "a group without targets keeps its share",
                weights(&[("a", 1), ("empty", 1)]),
                "forward:2:0:backend-a:1:no-targets",
            ),
            ("no weight at all", weights(&[("a", 0), ("b", 0)]), "forward:1:0:no-targets"),
            (
                "a fixed response",
                Action::FixedResponse { status: 404, content_type: "text/html".to_owned(), body: "a b:c\n".to_owned() },
                "fixed:404:text/html:a+b%3Ac%0A",
            ),
        ] {
            assert_eq!(rendered(vec![], action).value, value, "{why}");
        }
    }

    #[test]
    fn a_sticky_rule_goes_by_the_cookie_of_each_of_its_groups_first() {
        let Action::Forward { groups, .. } = weights(&[("tg/a/1f", 10), ("tg/b/2e", 90), ("tg/c/3d", 0), ("empty", 0)])
        else {
            panic!("no forward action")
        };
        let entries =
            all_rendered(vec![Condition::Hosts(texts(&["h"]))], Action::Forward { groups, sticky_seconds: Some(300) });
        let lines: Vec<String> = entries.iter().map(|entry| format!("{} {}", entry.pattern, entry.value)).collect();
        assert_eq!(
            lines,
            [
                "^1f[|][^|]*[|](h)[|].*$ forward:1:0:backend-tg/a/1f=1f=300",
                "^2e[|][^|]*[|](h)[|].*$ forward:1:0:backend-tg/b/2e=2e=300",
                "^3d[|][^|]*[|](h)[|].*$ forward:1:0:backend-tg/c/3d=3d=300",
                "^empty[|][^|]*[|](h)[|].*$ forward:1:0:no-targets",
                "^[^|]*[|][^|]*[|](h)[|].*$ forward:100:0:backend-tg/a/1f=1f=300:10:backend-tg/b/2e=2e=300",
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_left_out_and_said() {
        let rule = Rule {
            arn: "r".to_owned(),
            conditions: vec![Condition::Unknown("http-header".to_owned())],
            action: weights(&[]),
        };
        let (entries, problems) = render(&[rule], |_| None);
        assert_eq!(entries, []);
        assert_eq!(problems, ["rule r is left out: the condition http-header is not known here"]);
    }
}
