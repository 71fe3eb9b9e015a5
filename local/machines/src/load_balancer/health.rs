//! The health checks: one HTTP request for each target in each interval, as the target group asks for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;

use bytes::Bytes;
use gateway::{State, Target, TargetHealth};
use http_body_util::Empty;
use hyper::Request;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::read::HealthCheck;

/// The least speed: intervals a hundred times as long as configured.
const SLOWEST: f64 = 0.01;

/// How a target is to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Where the check goes, which need not be the port that requests go to.
    pub address: SocketAddr,
    pub settings: HealthCheck,
}

/// A target's state changed.
#[derive(Debug)]
pub struct Change {
    target: Target,
    health: TargetHealth,
    /// Which of the checks that this target had says so; an older one's word does not count.
    check_number: u64,
}

/// Runs the checks; dropping it ends them.
#[derive(Debug)]
pub struct Prober {
    running: HashMap<Target, Running>,
    changes: UnboundedSender<Change>,
    speed: f64,
    last_number: u64,
}

#[derive(Debug)]
struct Running {
    check: Check,
    number: u64,
    health: TargetHealth,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Prober {
    /// Makes a prober whose intervals are shorter by a factor.
    pub fn new(changes: UnboundedSender<Change>, speed: f64) -> Self {
        Self { running: HashMap::new(), changes, speed, last_number: 0 }
    }

    /// Checks these targets and no others. One that is new is checked at once; one that was checked already
    /// keeps its state, also where the settings changed.
    pub fn set(&mut self, wanted: &HashMap<Target, Check>) {
        self.running.retain(|target, _| wanted.contains_key(target));
        for (target, check) in wanted {
            let before = self.running.get(target);
            if before.is_some_and(|running| running.check == *check) {
                continue;
            }
            let health = before.map_or_else(initial, |running| running.health.clone());
            self.last_number += 1;
            let probe = Probe {
                target: target.clone(),
                check: check.clone(),
                number: self.last_number,
                speed: self.speed,
                changes: self.changes.clone(),
            };
            let task = tokio::spawn(probe.run(Standing::new(health.clone())));
            self.running
                .insert(target.clone(), Running { check: check.clone(), number: self.last_number, health, task });
        }
    }

    /// Takes a change in, unless the check that sent it has ended.
    pub fn take(&mut self, change: Change) {
        if let Some(running) = self.running.get_mut(&change.target)
            && running.number == change.check_number
        {
            running.health = change.health;
        }
    }

    /// The targets that are checked.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.running.keys()
    }

    /// The state of a checked target.
    pub fn health(&self, target: &Target) -> Option<&TargetHealth> {
        self.running.get(target).map(|running| &running.health)
    }
}

/// A target that is being checked for the first time.
fn initial() -> TargetHealth {
    TargetHealth::with(State::Initial, "Elb.InitialHealthChecking", "Initial health checks in progress")
}

/// One target's checks.
struct Probe {
    target: Target,
    check: Check,
    number: u64,
    speed: f64,
    changes: UnboundedSender<Change>,
}

impl Probe {
    async fn run(self, mut standing: Standing) {
        let pause = self.check.settings.interval.div_f64(self.speed.max(SLOWEST));
        loop {
            let result = self.check.once().await;
            if standing.take(&result, &self.check.settings) {
                let change =
                    Change { target: self.target.clone(), health: standing.health.clone(), check_number: self.number };
                if self.changes.send(change).is_err() {
                    return;
                }
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finding {
    Passed,
    WrongCode(u16),
    TimedOut,
    /// No connection, or no HTTP.
    Failed,
}

impl Check {
    async fn once(&self) -> Finding {
        let settings = &self.settings;
        match tokio::time::timeout(settings.timeout, self.request()).await {
            Err(_) => Finding::TimedOut,
            Ok(None) => Finding::Failed,
            Ok(Some(code)) if matches_code(&settings.matcher, code) => Finding::Passed,
            Ok(Some(code)) => Finding::WrongCode(code),
        }
    }

    /// The status of the answer; none where there is no connection or what comes is not HTTP. AWS tells no more either.
    async fn request(&self) -> Option<u16> {
        if self.settings.protocol != "HTTP" {
            return None;
        }
        let stream = TcpStream::connect(self.address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
        let request = Request::get(&self.settings.path)
            .header("Host", self.address.to_string())
            .header("User-Agent", "ELB-HealthChecker/2.0")
            .header("Connection", "close")
            .body(Empty::<Bytes>::new())
            .ok()?;
        let (mut connection, mut answer) = (pin!(connection), pin!(sender.send_request(request)));
        // The connection is worked on here, so that it ends with the check. It may end before the answer is looked at.
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            _ = &mut connection => answer.await,
        };
        Some(answer.ok()?.status().as_u16())
    }
}

/// Whether a code is one of a matcher: `200`, `200-299`, `200,202`.
fn matches_code(matcher: &str, code: u16) -> bool {
    matcher.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&code),
            _ => false,
        }
    })
}

/// A target's state and the row of findings that speak against it.
struct Standing {
    health: TargetHealth,
    against: u32,
}

impl Standing {
    fn new(health: TargetHealth) -> Self {
        Self { health, against: 0 }
    }

    /// Takes a finding in; true where the state, or its reason, is another now.
    fn take(&mut self, finding: &Finding, settings: &HealthCheck) -> bool {
        let passed = *finding == Finding::Passed;
        let (speaks_against, threshold) = match self.health.state {
            State::Healthy => (!passed, settings.unhealthy_threshold),
            State::Unhealthy => (passed, settings.healthy_threshold),
            // A new target is healthy after its first passed check; the healthy threshold is for recovery.
            State::Initial | State::Unused | State::Draining | State::Unavailable => {
                (true, if passed { 1 } else { settings.unhealthy_threshold })
            }
        };
        self.against = if speaks_against { self.against + 1 } else { 0 };
        let next = if self.against >= threshold {
            self.against = 0;
            said(finding)
        } else if self.health.state == State::Unhealthy && !passed {
            said(finding)
        } else {
            return false;
        };
        let changed = next != self.health;
        self.health = next;
        changed
    }
}

/// A finding in AWS's words.
fn said(finding: &Finding) -> TargetHealth {
    match finding {
        Finding::Passed => TargetHealth::healthy(),
        Finding::WrongCode(code) => TargetHealth::wrong_answer(*code),
        Finding::TimedOut => TargetHealth::with(State::Unhealthy, "Target.Timeout", "Request timed out"),
        Finding::Failed => TargetHealth::with(State::Unhealthy, "Target.FailedHealthChecks", "Health checks failed"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings() -> HealthCheck {
        HealthCheck {
            protocol: "HTTP".to_owned(),
            port: None,
            path: "/health".to_owned(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
            matcher: "200".to_owned(),
        }
    }

    #[test]
    fn states_follow_the_thresholds() {
        use Finding::{Failed, Passed, TimedOut, WrongCode};
        let settings = settings();
        for (why, findings, state, description) in [
            ("one passed check makes a new target healthy", vec![Failed, Passed], State::Healthy, None),
            (
                "one failed check says nothing yet",
                vec![WrongCode(502)],
                State::Initial,
                Some("Initial health checks in progress"),
            ),
            (
                "two make a new target unhealthy",
                vec![Failed, WrongCode(502)],
                State::Unhealthy,
                Some("Health checks failed with these codes: [502]"),
            ),
            ("a healthy target may fail once", vec![Passed, Failed, Passed, Failed], State::Healthy, None),
            ("not twice in a row", vec![Passed, TimedOut, TimedOut], State::Unhealthy, Some("Request timed out")),
            ("recovery takes two", vec![Failed, Failed, Passed], State::Unhealthy, Some("Health checks failed")),
            ("and then it is healthy", vec![Failed, Failed, Passed, Passed], State::Healthy, None),
            ("the reason is the last one", vec![Failed, Failed, TimedOut], State::Unhealthy, Some("Request timed out")),
        ] {
            let mut standing = Standing::new(initial());
            for finding in &findings {
                standing.take(finding, &settings);
            }
            assert_eq!((standing.health.state, standing.health.description.as_deref()), (state, description), "{why}");
        }
    }

    #[test]
    fn matchers_are_read() {
        for (matcher, code, matches) in [
            ("200", 200, true),
            ("200", 204, false),
            ("200-299", 299, true),
            ("200,302", 302, true),
            ("200, 202-204", 203, true),
            ("", 200, false),
        ] {
            assert_eq!(matches_code(matcher, code), matches, "{matcher} {code}");
        }
    }
}
