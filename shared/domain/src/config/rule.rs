//! One of a service's two rules, read: its priority and its conditions, as ELB takes them.

use super::RuleConfig;
use super::fields::Fields;
use super::parse::Problem;
use crate::world::Conditions;

/// Stands in for a rule that is faulty.
pub(super) fn no_rule() -> RuleConfig {
    RuleConfig { priority: 0, conditions: Conditions::default(), host: None }
}

/// Reads one of the two rules.
pub(super) fn rule(f: &mut Fields<'_>, key: &'static str, example: &str, p: &mut Vec<Problem>) -> Option<RuleConfig> {
    if !f.require(key, example, p) {
        f.raw(key);
        return None;
    }
    let before = p.len();
    let mut r = f.object(key, p)?;
    let priority = r.require("priority", "20", p).then(|| r.number("priority", 1, 50_000, p)).flatten();
    r.raw("priority");
    let hosts = r.list("hosts", p, |host| pattern(host, "._-*?", "a host name, * and ? are wildcards"));
    let hosts = hosts.unwrap_or_default();
    let paths = r.list("paths", p, |path| {
        if path.starts_with('/') || path.starts_with('*') {
            pattern(path, "_-.$/~\"'@:+&()!,;=%*?", "a path, * and ? are wildcards")
        } else {
            Err("it begins with /".to_owned())
        }
    });
    let ips = r.list("source_ips", p, |cidr| {
        cidr.parse::<ipnet::IpNet>().map(|_| ()).map_err(|_| "it is a CIDR like 10.0.0.0/8".to_owned())
    });
    let conditions = Conditions {
        hosts: hosts.iter().cloned().collect(),
        paths: paths.unwrap_or_default().into_iter().collect(),
        source_ips: ips.unwrap_or_default().into_iter().collect(),
        others: std::collections::BTreeSet::new(),
    };
    let values = conditions.hosts.len() + conditions.paths.len() + conditions.source_ips.len();
    if p.len() == before && values == 0 {
        p.push(Problem::new(key.to_owned(), "has no condition; give it hosts, paths or source_ips".into()));
    }
    if values > 5 {
        p.push(Problem::new(key.to_owned(), format!("has {values} condition values, ELB takes 5 in a rule")));
    }
    let wildcards =
        conditions.hosts.iter().chain(&conditions.paths).flat_map(|v| v.chars()).filter(|c| "*?".contains(*c)).count();
    if wildcards > 5 {
        p.push(Problem::new(key.to_owned(), format!("has {wildcards} wildcards, ELB takes 5 in a rule")));
    }
    r.finish(p);
    let host = hosts.into_iter().find(|host| !host.contains(['*', '?']));
    priority.map(|priority| RuleConfig { priority, conditions, host })
}

fn pattern(text: &str, also: &str, what: &str) -> Result<(), String> {
    let good = (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c));
    if good { Ok(()) } else { Err(format!("it is {what}, at most 128 characters")) }
}
