//! Answers of AWS with fields missing: releases are shipped one after the other, each call of them with altered answers first.

use std::collections::BTreeMap;

use fuzz::choices::Choices;
use local::standing::Standing;
use local::{Result, Trouble};
use serde_json::{Value, json};

use crate::Ran;
use crate::lane::{How, Lane, SERVICE};

/// So many calls with altered answers come before each call whose answers are right.
const ALTERED: u64 = 6;
/// How many servers a release has.
const SERVERS: usize = 2;
/// How many sweeps it takes at most until nothing is left.
const SWEEPS: usize = 8;

/// Ships releases until so many calls met altered answers; counts those alone.
///
/// # Errors
/// Where the account itself fails.
pub async fn run(points: u64, seed: u64) -> Result<Ran> {
    let mut ship = Ship {
        lane: Lane::start().await?,
        c: Choices::random(seed),
        ran: Ran::default(),
        actions: BTreeMap::new(),
        product: None,
        number: 0,
        instances: BTreeMap::new(),
    };
    while ship.ran.points < points && ship.ran.broken.len() < 3 {
        let release = ship.release();
        if let Err(broken) = ship.one(&release).await {
            ship.ran.breaks(format!("release {release} of seed {seed}: {broken}"));
            // What is left of it would be found again and again.
            ship.lane = Lane::start().await?;
            ship.product = None;
        }
    }
    Ok(ship.ran)
}

struct Ship {
    lane: Lane,
    c: Choices,
    ran: Ran,
    /// What each function calls.
    actions: BTreeMap<String, Vec<String>>,
    /// The release that is product.
    product: Option<String>,
    number: u32,
    instances: BTreeMap<String, usize>,
}

impl Ship {
    fn release(&mut self) -> String {
        self.number += 1;
        format!("r{}", self.number)
    }

    /// Ships a release, and ends it in one of the ways there are.
    async fn one(&mut self, release: &str) -> Result<()> {
        self.lane.stack.gateway().record().clear();
        self.instances.clear();
        let ask = json!({"service": SERVICE, "release": release});
        for function in ["provision", "register", "promote"] {
            self.altered(function, &ask, None).await?;
            if !self.right(function, &ask).await? {
                // An altered answer had it rejected: it goes.
                self.ran.count("releases given up");
                return self.clean(release).await;
            }
        }
        let before = self.product.replace(release.to_owned());
        match self.c.below(5) {
            0 | 1 => {
                let finish = json!({"service": SERVICE, "release": release, "action": "finish"});
                self.altered("teardown", &finish, None).await?;
                self.right("teardown", &finish).await?;
            }
            2 => {
                let rollback = json!({"service": SERVICE, "release": release, "action": "rollback"});
                self.altered("teardown", &rollback, None).await?;
                self.right("teardown", &rollback).await?;
                self.product = before.or(self.product.take());
            }
            3 => {
                let event = Lane::event(3, release);
                self.altered("teardown", &event, Some(How::Event)).await?;
                self.event(&event).await?;
                self.product = before.or(self.product.take());
            }
            _ => {
                for kind in [1, 2] {
                    let event = Lane::event(kind, release);
                    self.altered("teardown", &event, Some(How::Event)).await?;
                    self.event(&event).await?;
                }
            }
        }
        self.altered("teardown", &Lane::event(0, ""), Some(How::Event)).await?;
        self.clean(release).await
    }

    /// Calls with altered answers.
    async fn altered(&mut self, function: &str, ask: &Value, how: Option<How>) -> Result<()> {
        for _ in 0..ALTERED {
            let how = how.unwrap_or(if self.c.chance(50) { How::Job } else { How::Direct });
            let actions = self.actions.get(function).cloned().unwrap_or_default();
            self.lane.alter(&mut self.c, function, &actions);
            let mark = self.lane.stack.gateway().record().mark();
            let called = self.lane.call(function, ask, how).await?;
            self.lane.heal();
            self.learn(function, mark);
            self.lane.judge(&called, how).map_err(Trouble::new)?;
            if called.altered.is_empty() {
                self.ran.count("calls that met nothing altered");
            } else {
                self.ran.points += 1;
                let status = called.status();
                if status == "failed" && how == How::Direct {
                    self.ran.count(format!("failed: {}", reason(&called.answer.json())));
                }
                self.ran.count(format!("ended: {status}"));
            }
            for altered in &called.altered {
                let action = altered.split(':').next().unwrap_or_default().to_owned();
                self.ran.count(format!("altered: {action}"));
            }
            self.look().await.map_err(|broken| Trouble::new(format!("{broken}\n{}", called.story())))?;
            self.lane.free_lease(SERVICE).await?;
        }
        Ok(())
    }

    fn learn(&mut self, function: &str, mark: gateway::Mark) {
        let known = self.actions.entry(function.to_owned()).or_default();
        for action in self.lane.actions(function, mark) {
            if !known.contains(&action) {
                known.push(action);
            }
        }
    }

    /// Looks at the account: what serves serves, nothing was launched twice.
    async fn look(&mut self) -> Result<Standing> {
        let standing = self.lane.look().await?;
        Lane::serves(&standing, SERVICE, SERVERS).map_err(Trouble::new)?;
        if self.product.is_some() && standing.rule(SERVICE, "product").is_none() {
            return Err(Trouble::new("the product rule is gone"));
        }
        for (release, count) in Lane::instances(&standing) {
            let before = self.instances.insert(release.clone(), count).unwrap_or_default();
            if count > SERVERS && count > before {
                return Err(Trouble::new(format!("release {release} has {count} servers, {SERVERS} were asked for")));
            }
        }
        Ok(standing)
    }

    /// Calls with right answers until it is over: whether it is done.
    async fn right(&mut self, function: &str, ask: &Value) -> Result<bool> {
        let mark = self.lane.stack.gateway().record().mark();
        let called = self.lane.until_over(function, ask).await?;
        self.learn(function, mark);
        self.lane.judge(&called, How::Direct).map_err(Trouble::new)?;
        self.look().await.map_err(|broken| Trouble::new(format!("{broken}\n{}", called.story())))?;
        let status = called.status();
        self.ran.count(format!("with right answers: {status}"));
        match status.as_str() {
            "done" => Ok(true),
            "refused" | "failed" => {
                let reason = reason(&called.answer.json());
                // What an altered answer may have said for good; anything else passes when the answers are right.
                let for_good =
                    ["was rejected", "was torn down", "nothing to go back to", "was kept", "cannot be rolled back"];
                if !for_good.iter().any(|words| reason.contains(words)) {
                    return Err(Trouble::new(format!(
                        "answers are right again, and it is {status}\n{}",
                        called.story()
                    )));
                }
                self.ran.count(format!("{function} {status}: {reason}"));
                Ok(false)
            }
            _ => Err(Trouble::new(format!("it has no end\n{}", called.story()))),
        }
    }

    /// An event with right answers.
    async fn event(&mut self, event: &Value) -> Result<()> {
        let called = self.lane.call("teardown", event, How::Event).await?;
        self.lane.judge(&called, How::Event).map_err(Trouble::new)?;
        if called.answer.error.is_some() {
            return Err(Trouble::new(format!("an event with right answers threw\n{}", called.story())));
        }
        self.look().await.map(drop)
    }

    /// Whatever became of a release: in the end product serves, the way back stands, and nothing else is left.
    async fn clean(&mut self, release: &str) -> Result<()> {
        if self.product.as_deref() != Some(release) {
            let rollback = json!({"service": SERVICE, "release": release, "action": "rollback"});
            self.right("teardown", &rollback).await?;
        }
        let mut left = String::new();
        for _ in 0..SWEEPS {
            self.event(&Lane::event(0, "")).await?;
            let standing = self.look().await?;
            let weights = standing.weights(SERVICE, "product");
            let in_rule: Vec<&str> = weights.iter().map(|(release, _)| release.as_str()).collect();
            let beside: Vec<String> =
                Lane::instances(&standing).into_keys().filter(|r| !in_rule.contains(&r.as_str())).collect();
            let groups = standing.groups.len();
            if beside.is_empty() && groups <= in_rule.len() {
                let serves = weights.iter().find(|(_, weight)| *weight > 0).map(|(release, _)| release.clone());
                self.ran.count(if serves == self.product {
                    "releases that ended as asked"
                } else {
                    "releases that ended otherwise"
                });
                self.product = serves;
                return Ok(());
            }
            left = format!("instances of {beside:?} and {groups} groups beside the rule's {in_rule:?}: {standing:#?}");
        }
        Err(Trouble::new(format!("after {SWEEPS} sweeps something is left: {left}")))
    }
}

/// The reason of an answer, without ids.
fn reason(answer: &Value) -> String {
    let reason = answer.get("reason").and_then(Value::as_str).unwrap_or_default();
    reason.chars().filter(|c| !c.is_ascii_digit()).take(90).collect()
}
