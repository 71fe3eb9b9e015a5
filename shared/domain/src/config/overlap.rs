//! Whether two rules can match the same request: a pre-product rule must not catch customers.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::RuleConfig;
use crate::world::Conditions;

/// What is wrong with the pair of rules; nothing, if customers never meet the pre-product rule.
///
/// Before product (a lower priority number) it may overlap, as long as something narrows it: QA's addresses, a host
/// of its own. Behind product it would be shadowed where they overlap, and QA would try product.
pub(super) fn faults(product: &RuleConfig, pre_product: &RuleConfig) -> Vec<String> {
    if product.priority == pre_product.priority {
        return vec![format!("both rules have priority {}; give them different ones", product.priority)];
    }
    let (customers, qa) = (&product.conditions, &pre_product.conditions);
    if !overlap(customers, qa) {
        return Vec::new();
    }
    if pre_product.priority > product.priority {
        return vec![format!(
            "what matches pre_product can match product too, which stands before it ({} before {}): \
             give pre_product the lower priority, or a host of its own",
            product.priority, pre_product.priority
        )];
    }
    if covers(qa, customers) {
        return vec![
            "nothing narrows pre_product against product: customers would be served the release that QA tries. \
             Give it a host of its own, a path, or source_ips"
                .to_owned(),
        ];
    }
    Vec::new()
}

/// Whether some request matches both.
fn overlap(one: &Conditions, other: &Conditions) -> bool {
    let hosts = either_empty(&one.hosts, &other.hosts)
        || any_pair(&one.hosts, &other.hosts, |a, b| globs_meet(&a.to_lowercase(), &b.to_lowercase()));
    let paths = either_empty(&one.paths, &other.paths) || any_pair(&one.paths, &other.paths, globs_meet);
    let ips =
        either_empty(&one.source_ips, &other.source_ips) || any_pair(&one.source_ips, &other.source_ips, networks_meet);
    hosts && paths && ips
}

/// Whether every request that matches `narrow` matches `wide`, as far as it can be told value by value.
fn covers(wide: &Conditions, narrow: &Conditions) -> bool {
    let field = |wide: &BTreeSet<String>, narrow: &BTreeSet<String>, within: fn(&str, &str) -> bool| {
        wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| within(w, n))))
    };
    let hosts = field(&wide.hosts, &narrow.hosts, |w, n| glob_covers(&w.to_lowercase(), &n.to_lowercase()));
    let paths = field(&wide.paths, &narrow.paths, glob_covers);
    let ips = field(&wide.source_ips, &narrow.source_ips, network_covers) || everywhere(&wide.source_ips);
    hosts && paths && ips
}

/// Whether these networks are together every address: 0.0.0.0/0, or its halves.
fn everywhere(ips: &BTreeSet<String>) -> bool {
    let networks: Vec<IpNet> = ips.iter().filter_map(|ip| ip.parse().ok()).collect();
    IpNet::aggregate(&networks).iter().any(|network| network.prefix_len() == 0)
}

fn either_empty(one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
    one.is_empty() || other.is_empty()
}

fn any_pair(one: &BTreeSet<String>, other: &BTreeSet<String>, meet: fn(&str, &str) -> bool) -> bool {
    one.iter().any(|a| other.iter().any(|b| meet(a, b)))
}

fn networks_meet(one: &str, other: &str) -> bool {
    match (one.parse::<IpNet>(), other.parse::<IpNet>()) {
        (Ok(a), Ok(b)) => a.contains(&b) || b.contains(&a),
        _ => false,
    }
}

fn network_covers(wide: &str, narrow: &str) -> bool {
    matches!((wide.parse::<IpNet>(), narrow.parse::<IpNet>()), (Ok(w), Ok(n)) if w.contains(&n))
}

/// Whether some text matches both patterns (`*` any run, `?` any one character).
fn globs_meet(one: &str, other: &str) -> bool {
    by_suffixes(&short(one), &short(other), |a, b, suffix| match (a, b) {
        (None, None) => true,
        (Some('*'), _) | (_, Some('*')) => suffix.without_first || suffix.without_second,
        (Some(a), Some(b)) => (a == b || a == '?' || b == '?') && suffix.without_both,
        (Some(_), None) | (None, Some(_)) => false,
    })
}

/// Whether every text that `narrow` matches is matched by `wide`; `narrow`'s wildcards count as characters.
fn glob_covers(wide: &str, narrow: &str) -> bool {
    by_suffixes(&short(wide), &short(narrow), |w, n, suffix| match (w, n) {
        (None, None) => true,
        (Some('*'), _) => suffix.without_first || suffix.without_second,
        (Some('?'), Some(n)) => n != '*' && suffix.without_both,
        (Some(w), Some(n)) => w == n && suffix.without_both,
        (Some(_), None) | (None, Some(_)) => false,
    })
}

/// What holds of the two texts' suffixes that are one character shorter.
struct Shorter {
    without_first: bool,
    without_second: bool,
    without_both: bool,
}

/// What holds of two texts, decided from their ends on: each pair of suffixes once, however many stars there are.
fn by_suffixes(one: &[char], other: &[char], holds: impl Fn(Option<char>, Option<char>, &Shorter) -> bool) -> bool {
    let mut below = vec![false; other.len() + 1];
    for i in (0..=one.len()).rev() {
        let mut row = vec![false; other.len() + 1];
        let mut right = false;
        for (j, cell) in row.iter_mut().enumerate().rev() {
            let shorter = Shorter {
                without_first: below.get(j).is_some_and(|holds| *holds),
                without_second: right,
                without_both: below.get(j + 1).is_some_and(|holds| *holds),
            };
            *cell = holds(one.get(i).copied(), other.get(j).copied(), &shorter);
            right = *cell;
        }
        below = row;
    }
    below.first().is_some_and(|holds| *holds)
}

/// The pattern's characters, runs of `*` as one; ELB takes 128 characters.
fn short(pattern: &str) -> Vec<char> {
    let mut characters: Vec<char> = pattern.chars().take(128).collect();
    characters.dedup_by(|a, b| *a == '*' && *b == '*');
    characters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(priority: u32, hosts: &[&str], paths: &[&str], ips: &[&str]) -> RuleConfig {
        let set = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        RuleConfig {
            priority,
            conditions: Conditions {
                hosts: set(hosts),
                paths: set(paths),
                source_ips: set(ips),
                others: BTreeSet::new(),
            },
            host: None,
        }
    }

    #[test]
    fn pre_product_must_not_catch_customers() {
        let m = || rule(20, &["m.example.com"], &["/*"], &[]);
        for (why, product, pre_product, good) in [
            ("a host of its own", m(), rule(10, &["pre.m.example.com"], &[], &[]), true),
            ("a host of its own, behind", m(), rule(30, &["pre.m.example.com"], &[], &[]), true),
            ("QA's addresses", m(), rule(10, &["m.example.com"], &[], &["10.0.0.0/8"]), true),
            ("the same host and nothing else", m(), rule(10, &["m.example.com"], &[], &[]), false),
            ("every address is none", m(), rule(10, &["m.example.com"], &[], &["0.0.0.0/0"]), false),
            ("a wildcard that catches it", m(), rule(10, &["*.example.com"], &[], &[]), false),
            ("a wildcard of another case", m(), rule(10, &["*.EXAMPLE.com"], &[], &[]), false),
            ("behind, and shadowed", m(), rule(30, &["m.example.com"], &[], &["10.0.0.0/8"]), false),
            ("the same priority", m(), rule(20, &["pre.m.example.com"], &[], &[]), false),
            ("a path below product's", m(), rule(10, &["m.example.com"], &["/beta/*"], &[]), true),
            (
                "stars without end",
                rule(20, &[&"*.".repeat(40)], &[], &[]),
                rule(10, &[&"*-".repeat(40)], &[], &[]),
                true,
            ),
            ("a path that is product's", rule(20, &[], &["/a/*"], &[]), rule(10, &[], &["/*"], &[]), false),
        ] {
            assert_eq!(faults(&product, &pre_product).is_empty(), good, "{why}: {:?}", faults(&product, &pre_product));
        }
    }
}
