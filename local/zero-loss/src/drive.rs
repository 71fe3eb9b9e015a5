//! Releases a service with Pointsman's own functions, over and over, and disturbs them while they work.

use std::time::{Duration, Instant};

use fastrand::Rng;
use local::{Result, Stack, Trouble, service};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::alarm;
use crate::fleet::{Fleet, insist};
use crate::journal::{Journal, What};
use crate::knife::Knife;

/// No call waits longer than this on a machine that works.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long whoever gets `waiting` waits before the next call.
const BETWEEN_CALLS: Duration = Duration::from_millis(700);

/// How often it is looked whether something has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a killed server is down before it is started again.
const DOWN: Duration = Duration::from_millis(700);

/// How long a release is product before it is rolled back.
const STANDS_MS: std::ops::Range<u64> = 200..1500;

/// So many calls of AWS's a promote makes at most, at once or in steps; it is cut at any of them.
const CUT_WITHIN_CALLS: u32 = 20;
const CUT_WITHIN_CALLS_IN_STEPS: u32 = 50;

/// How long after it was begun a promotion meets its trouble, at most: before, in and after the switch, or any of the steps.
const TROUBLE_WITHIN_MS: u64 = 800;
const TROUBLE_WITHIN_MS_IN_STEPS: u64 = 7000;

/// The steps of those services that have some, and how long each stands.
const STEPS: [u32; 2] = [20, 60];
const STEP_SECONDS: u32 = 3;

/// How long a customer keeps the release that served him, where the steps are sticky.
const STICKINESS_SECONDS: u32 = 300;

/// How long a release is watched where it is.
const BAKE_SECONDS: u32 = 2;

/// What is done to a promotion and the rollback after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Plain,
    /// The promote is killed and taken over.
    CutOff,
    /// Another release is promoted at once; that one is rolled back.
    FollowedAtOnce,
    /// A server of the release that is promoted is killed.
    KillNew,
    /// A server of the release that gives way is killed while the other is promoted.
    KillServing,
    /// A server of the release that traffic goes back to is killed.
    KillOld,
    /// An alarm goes off while it is promoted or baked, and puts traffic back. A service without alarms has a plain turn instead.
    Alarm,
}

/// The turns, each as often as it comes in a row.
const TURNS: [Turn; 10] = [
    Turn::Alarm,
    Turn::CutOff,
    Turn::FollowedAtOnce,
    Turn::KillNew,
    Turn::CutOff,
    Turn::KillOld,
    Turn::Plain,
    Turn::Alarm,
    Turn::FollowedAtOnce,
    Turn::KillServing,
];

/// A service that is released.
pub struct Driver<'a> {
    stack: &'a Stack,
    fleet: &'a Fleet<'a>,
    journal: Journal,
    /// The site's number in the load's book.
    site: usize,
    name: String,
    port: u16,
    in_steps: bool,
    /// Its alarm, if it has one.
    alarm: Option<String>,
    rng: Rng,
    last: u32,
}

impl<'a> Driver<'a> {
    /// Drives a service that is configured.
    #[must_use]
    pub fn new(stack: &'a Stack, fleet: &'a Fleet<'a>, journal: &Journal, site: usize, name: &str) -> Self {
        let config = stack.config_of(name);
        let port = config.get("port").and_then(Value::as_u64).and_then(|port| port.try_into().ok()).unwrap_or(8080);
        let in_steps = config.get("traffic").is_some();
        let alarm = config.pointer("/alarms/0").and_then(Value::as_str).map(str::to_owned);
        let rng = Rng::with_seed(u64::try_from(site).unwrap_or_default());
        Self {
            stack,
            fleet,
            journal: journal.clone(),
            site,
            name: name.to_owned(),
            port,
            in_steps,
            alarm,
            rng,
            last: 0,
        }
    }

    /// Brings the first release to product.
    ///
    /// # Errors
    ///
    /// Where a call does not get there.
    pub async fn first(&mut self) -> Result<String> {
        if let Some(alarm) = &self.alarm {
            alarm::make(self.stack, alarm).await?;
        }
        let release = self.ship().await?;
        self.promote(&release).await?;
        Ok(release)
    }

    /// Promotes and rolls back until nobody wants more.
    ///
    /// # Errors
    ///
    /// Where a call does not get where it has to.
    pub async fn run(&mut self, mut product: String, wanted: watch::Receiver<bool>) -> Result<()> {
        let mut next = self.ship().await?;
        // Services begin at different places of the row.
        let turns = TURNS.iter().cycle().skip(self.site * 3);
        for turn in turns {
            if !*wanted.borrow() {
                break;
            }
            let turn = if *turn == Turn::Alarm && self.alarm.is_none() { Turn::Plain } else { *turn };
            let mut before = product.clone();
            if turn == Turn::Alarm {
                self.promote_until_alarm(&next).await?;
            } else {
                self.promote_with(turn, &next, &before).await?;
                if turn == Turn::FollowedAtOnce {
                    before = next;
                    next = self.ship().await?;
                    self.promote(&next).await?;
                    self.journal.note(self.site, What::FollowedAtOnce, &next);
                }
                tokio::time::sleep(Duration::from_millis(self.rng.u64(STANDS_MS))).await;
                let killed =
                    if turn == Turn::KillOld { Some(self.kill(&before, What::KilledOld).await?) } else { None };
                self.roll_back(&next, killed).await?;
            }
            let rejected = next;
            product = before;
            // What is rejected goes while the next release comes.
            next = self.number();
            let (gone, shipped) = tokio::join!(self.torn_down(&rejected), self.bring(&next));
            gone?;
            shipped?;
            if turn == Turn::FollowedAtOnce {
                // What was product two releases ago is in no rule any more; finish takes it away.
                self.done("teardown", &json!({"service": self.name, "release": product, "action": "finish"})).await?;
                self.journal.note(self.site, What::Finished, &product);
            }
        }
        Ok(())
    }

    /// Promotes a release in the place of another one, disturbed or not.
    async fn promote_with(&mut self, turn: Turn, release: &str, before: &str) -> Result<()> {
        match turn {
            Turn::Plain | Turn::FollowedAtOnce | Turn::KillOld | Turn::Alarm => self.promote(release).await,
            Turn::CutOff => self.promote_cut_off(release).await,
            Turn::KillNew => self.promote_while_one_dies(release, release, What::KilledNew).await,
            Turn::KillServing => self.promote_while_one_dies(release, before, What::KilledOld).await,
        }
    }

    async fn promote_while_one_dies(&mut self, release: &str, whose: &str, what: What) -> Result<()> {
        let pause = self.trouble_after();
        let dies = async {
            tokio::time::sleep(pause).await;
            let killed = self.kill(whose, what).await?;
            tokio::time::sleep(DOWN).await;
            self.fleet.restart(&killed, None).await
        };
        let (promoted, back) = tokio::join!(self.promote(release), dies);
        promoted.and(back)
    }

    fn trouble_after(&mut self) -> Duration {
        let within = if self.in_steps { TROUBLE_WITHIN_MS_IN_STEPS } else { TROUBLE_WITHIN_MS };
        Duration::from_millis(self.rng.u64(0..within))
    }

    /// Promotes a release whose alarm goes off once it has weight: traffic goes back, by the alarm's event or by the promotion's next
    /// call, whichever comes first.
    async fn promote_until_alarm(&mut self, release: &str) -> Result<()> {
        let Some(alarm) = self.alarm.clone() else { return Ok(()) };
        let pause = self.trouble_after();
        let goes_off = async {
            let began = Instant::now();
            while !self.journal.has_had_weight(release) {
                if began.elapsed() > PATIENCE {
                    return Err(Trouble::new(format!("{release} of {} gets no weight", self.name)));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            tokio::time::sleep(pause).await;
            self.journal.note(self.site, What::Alarm, release);
            alarm::goes_off(self.stack, &alarm).await
        };
        let ask = self.ask(release);
        let (promoted, gone_off) = tokio::join!(self.over("promote", &ask), goes_off);
        gone_off?;
        let promoted = promoted?;
        self.stack.idle().await?;
        if promoted.get("status").and_then(Value::as_str) == Some("done") {
            self.journal.note(self.site, What::Promoted, release);
        }
        // Whichever of the two it was, the release is rejected now: a promote says so.
        let answer = self.over("promote", &ask).await?;
        if answer.get("status").and_then(Value::as_str) == Some("refused") {
            self.journal.note(self.site, What::RolledBack, release);
        } else {
            let words = self.stack.last_words();
            eprintln!("{release} of {} stands though its alarm went off.\n{promoted}\n{answer}\n{words}", self.name);
            self.journal.note(self.site, What::AlarmInVain, release);
            self.roll_back(release, None).await?;
        }
        alarm::make(self.stack, &alarm).await
    }

    async fn promote(&self, release: &str) -> Result<()> {
        self.done("promote", &self.ask(release)).await?;
        self.journal.note(self.site, What::Promoted, release);
        Ok(())
    }

    /// Kills a promote somewhere in its work, and calls again once its lease is over.
    async fn promote_cut_off(&mut self, release: &str) -> Result<()> {
        let within = if self.in_steps { CUT_WITHIN_CALLS_IN_STEPS } else { CUT_WITHIN_CALLS };
        let knife = Knife::for_promote(self.stack, &self.name, self.rng.u32(1..within));
        // It ends as it may: killed, or done before the knife fell.
        self.stack.invoke("promote", &self.ask(release)).await?;
        if knife.has_cut() {
            self.journal.note(self.site, What::CutOff, release);
            self.end_lease().await?;
        }
        drop(knife);
        self.promote(release).await
    }

    /// Lets the lease be over, as the clock does after 75 seconds.
    async fn end_lease(&self) -> Result<()> {
        let input = json!({
            "TableName": self.stack.account().lease_table,
            "Key": {"service": {"S": self.name}},
            "UpdateExpression": "SET expires_at = :over",
            "ExpressionAttributeValues": {":over": {"N": "1"}},
        });
        let moto = self.stack.moto();
        insist(|| moto.json("dynamodb", "DynamoDB_20120810.UpdateItem", input.clone())).await?;
        Ok(())
    }

    /// Puts traffic back, which is the first thing that a rollback does. Where the release to go back to has a dead server, it may be refused
    /// until that one is back.
    async fn roll_back(&self, release: &str, killed: Option<String>) -> Result<()> {
        let payload = self.rollback(release);
        let began = Instant::now();
        let mut killed = killed;
        loop {
            let answer = self.stack.call("teardown", &payload).await?;
            let status = answer.get("status").and_then(Value::as_str).unwrap_or_default();
            if let Some(instance) = killed.take() {
                tokio::time::sleep(DOWN).await;
                self.fleet.restart(&instance, None).await?;
                if status == "refused" {
                    tokio::time::sleep(BETWEEN_CALLS).await;
                    continue;
                }
            }
            let refused_before_it_is_seen = status == "refused" && began.elapsed() < PATIENCE / 6;
            if is_back(status, &answer) {
                self.journal.note(self.site, What::RolledBack, release);
                return Ok(());
            }
            if !(status == "waiting" || refused_before_it_is_seen) || began.elapsed() > PATIENCE {
                return Err(Trouble::new(format!("rollback of {release} of {}: {answer}", self.name)));
            }
            tokio::time::sleep(BETWEEN_CALLS).await;
        }
    }

    /// Calls the rollback until nothing is left of the release.
    async fn torn_down(&self, release: &str) -> Result<()> {
        self.done("teardown", &self.rollback(release)).await
    }

    /// Brings a new release to pre-product.
    async fn ship(&mut self) -> Result<String> {
        let release = self.number();
        self.bring(&release).await?;
        Ok(release)
    }

    fn number(&mut self) -> String {
        self.last += 1;
        format!("{}-{}", self.name, self.last)
    }

    async fn bring(&self, release: &str) -> Result<()> {
        self.done("provision", &self.ask(release)).await?;
        for instance in self.fleet.instances("pointsman:release", release).await? {
            self.fleet.start(&instance, release, self.port)?;
        }
        self.done("register", &self.ask(release)).await
    }

    async fn kill(&self, release: &str, what: What) -> Result<String> {
        let instances = self.fleet.instances("pointsman:release", release).await?;
        let victim = instances.first().ok_or_else(|| Trouble::new(format!("{release} has no server to kill")))?;
        self.fleet.kill(&victim.id).await?;
        self.journal.note(self.site, what, release);
        Ok(victim.id.clone())
    }

    fn ask(&self, release: &str) -> Value {
        json!({"service": self.name, "release": release})
    }

    fn rollback(&self, release: &str) -> Value {
        json!({"service": self.name, "release": release, "action": "rollback"})
    }

    /// Calls a function until it is done.
    async fn done(&self, function: &str, payload: &Value) -> Result<()> {
        let answer = self.over(function, payload).await?;
        match answer.get("status").and_then(Value::as_str) {
            Some("done") => Ok(()),
            _ => Err(Trouble::new(format!("{function} {payload}: {answer}"))),
        }
    }

    /// Calls a function until it does not wait any more, or for longer than anything takes.
    async fn over(&self, function: &str, payload: &Value) -> Result<Value> {
        let began = Instant::now();
        loop {
            let answer = self.stack.call(function, payload).await?;
            let waits = answer.get("status").and_then(Value::as_str) == Some("waiting");
            if !waits || began.elapsed() > PATIENCE {
                return Ok(answer);
            }
            tokio::time::sleep(BETWEEN_CALLS).await;
        }
    }
}

/// Whether traffic is back, by what a rollback answers: then it is done, or waits for something that comes after.
fn is_back(status: &str, answer: &Value) -> bool {
    let reason = answer.get("reason").and_then(Value::as_str).unwrap_or_default();
    let after = ["the rule change to reach", "requests under way to end", "to let go of"];
    status == "done" || (status == "waiting" && after.iter().any(|words| reason.contains(words)))
}

/// The config of a site of this number, at the pace of a run: by turns in steps, at once, and at once but watched for a while. Every second
/// one's steps are sticky.
///
/// # Errors
///
/// Where the example cannot be read.
pub fn config(stack: &Stack, name: &str, number: u32, pace: &Pace) -> Result<Value> {
    let mut config = stack.config(name, number)?;
    if let Some(config) = config.as_object_mut() {
        // The pool of addresses is one service's.
        config.remove("elastic_ips");
        config.insert("settle_seconds".to_owned(), json!(pace.settle_seconds));
        config.insert("drain_seconds".to_owned(), json!(pace.drain_seconds));
        match number % 3 {
            1 => {
                let traffic = if number.is_multiple_of(2) {
                    json!({"steps": STEPS, "step_seconds": STEP_SECONDS, "stickiness_seconds": STICKINESS_SECONDS})
                } else {
                    json!({"steps": STEPS, "step_seconds": STEP_SECONDS})
                };
                config.insert("traffic".to_owned(), traffic);
                config.insert("alarms".to_owned(), json!([alarm::name(name)]));
            }
            2 => {}
            _ => {
                config.insert("bake_seconds".to_owned(), json!(BAKE_SECONDS));
                config.insert("alarms".to_owned(), json!([alarm::name(name)]));
            }
        }
    }
    debug_assert!(!service::host(&config, "product").is_empty());
    Ok(config)
}

/// The pace of a run: what of a service's config is short, and still true.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub settle_seconds: u64,
    /// Longer than the longest request that is no stream and no socket.
    pub drain_seconds: u64,
}
