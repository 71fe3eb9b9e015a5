//! Follows the calls of AWS's, and notes in the journal what the pictures and the judge need: when the product rules' weights
//! were changed, and when targets were let go.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use gateway::{Aws, Call};
use local::{Result, xml};
use roxmltree::{Document, Node};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use crate::fleet::insist;
use crate::journal::{Journal, What};

/// Releases and their weights.
type Weights = BTreeMap<String, u32>;

/// Whoever notes.
pub struct Follower {
    journal: Journal,
    /// A client of the simulator's own: what it asks is not among the calls.
    moto: Aws,
    /// The hosts of the services' product rules, by the number of their site.
    hosts: Vec<String>,
    /// Releases by the names of their target groups.
    releases: BTreeMap<String, String>,
    /// What the product rules send customers to.
    weights: BTreeMap<usize, Weights>,
}

impl Follower {
    /// Nothing noted yet.
    #[must_use]
    pub fn new(journal: &Journal, moto: Aws, hosts: Vec<String>) -> Self {
        Self { journal: journal.clone(), moto, hosts, releases: BTreeMap::new(), weights: BTreeMap::new() }
    }

    /// Follows the calls for as long as the set lives.
    #[must_use]
    pub fn follow(mut self, mut calls: broadcast::Receiver<Call>) -> JoinSet<()> {
        let mut following = JoinSet::new();
        following.spawn(async move {
            loop {
                match calls.recv().await {
                    Ok(call) if call.ok() => self.note(&call).await,
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
        following
    }

    async fn note(&mut self, call: &Call) {
        let (asked, answered) = (instant(call.at), instant(call.at + call.elapsed));
        match (call.action.as_str(), call.caller.as_str()) {
            ("DeregisterTargets", _) => {
                for instance in named(call).filter(|name| name.starts_with("i-")) {
                    self.journal.let_go_at(instance, asked);
                }
            }
            ("CreateTargetGroup", _) => {
                if let Some(release) = call.tags.get("pointsman:release") {
                    self.releases.extend(named(call).map(|name| (name.to_owned(), release.clone())));
                }
            }
            ("ModifyRule" | "CreateRule", "PROMOTE" | "TEARDOWN") => {
                // A rule that went meanwhile says nothing of the traffic any more.
                let _ = self.rule_changed(call, answered).await;
            }
            _ => {}
        }
    }

    /// Reads the rules, and notes where one of the product rules sends customers elsewhere than before.
    async fn rule_changed(&mut self, call: &Call, at: Instant) -> Result<()> {
        let Some(arn) = named(call).find(|name| name.starts_with("arn:")) else { return Ok(()) };
        let one = if call.action == "ModifyRule" { "RuleArns.member.1" } else { "ListenerArn" };
        let moto = &self.moto;
        let answer = insist(async || moto.query("elasticloadbalancing", "DescribeRules", &[(one, arn)]).await).await?;
        for (site, weights) in self.product_rules(&answer)? {
            let before = self.weights.insert(site, weights.clone()).unwrap_or_default();
            for gone in before.keys().filter(|release| !weights.contains_key(*release)) {
                self.journal.has_weight(gone, false, at);
            }
            for there in weights.keys() {
                self.journal.has_weight(there, true, at);
            }
            let all: u32 = weights.values().sum();
            let had = |release: &String| before.get(release).copied().unwrap_or_default();
            let has = |release: &String| weights.get(release).copied().unwrap_or_default();
            // A promotion that sees an alarm puts traffic back too: so not the caller tells, but who gains from whom.
            let newest_loser = before.keys().filter(|release| has(release) < had(release)).map(|one| number(one)).max();
            for release in weights.keys().filter(|release| has(release) > had(release)) {
                let percent = (has(release) * 100).checked_div(all).unwrap_or_default();
                let is_back = newest_loser.is_some_and(|loser| loser > number(release));
                let what = if is_back { What::Back } else { What::Weight(percent) };
                self.journal.note_at(site, what, release, at);
            }
        }
        Ok(())
    }

    /// The product rules of our sites in an answer: who has weight there.
    fn product_rules(&self, answer: &str) -> Result<Vec<(usize, Weights)>> {
        let document = Document::parse(answer)?;
        let rules = document.descendants().filter(|node| node.tag_name().name() == "Rules");
        let rules = rules.flat_map(|list| list.children().filter(Node::is_element));
        Ok(rules
            .filter_map(|rule| {
                let site =
                    self.hosts.iter().position(|host| rule.descendants().any(|node| node.text() == Some(host)))?;
                let groups = rule.descendants().filter(|node| node.tag_name().name() == "ForwardConfig");
                let groups =
                    groups.flat_map(|config| xml::at(config, &["TargetGroups"])).flat_map(|list| list.children());
                let weights = groups.filter(Node::is_element).filter_map(|group| {
                    let arn = xml::text(group, &["TargetGroupArn"]);
                    let release = self.releases.get(arn.split('/').nth(1)?)?;
                    let weight: u32 = xml::text(group, &["Weight"]).parse().ok()?;
                    (weight > 0).then(|| (release.clone(), weight))
                });
                Some((site, weights.collect()))
            })
            .collect())
    }
}

fn instant(at: SystemTime) -> Instant {
    let now = Instant::now();
    now.checked_sub(SystemTime::now().duration_since(at).unwrap_or_default()).unwrap_or(now)
}

/// The number of a release: `s1-12` is the twelfth of its service.
fn number(release: &str) -> u32 {
    release.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// What a call is about.
fn named(call: &Call) -> impl Iterator<Item = &str> {
    call.resource.split(',').map(str::trim)
}
