//! A call followed to its end: look, plan, carry out, and again, while time moves; and once more when it is done.

use std::collections::BTreeSet;

use domain::check::Examination;
use domain::id::{ReleaseId, ServiceName};
use domain::metrics::Switched;
use domain::plan::{End, OnFailure, Plan, Step};
use domain::refusal::WaitFor;
use domain::request::{Request, RollbackScope, Verb};
use domain::time::Time;
use domain::world::{Scope, World};

use crate::account::Account;
use crate::carry_out::Came;
use crate::explain::{explain, explain_end, explain_step};
use crate::promises;

/// How many looks a call may take: none of ours needs a third of it.
const LOOKS_MAX: usize = 60;
/// How much time goes by while a call waits.
const PAUSE_SECONDS: i64 = 5;
/// How often a call waits before it counts as waiting for ever: more than every timeout of the config.
const WAITS_MAX: usize = 400;

/// How a call went.
pub struct Course {
    pub account: Account,
    pub plans: Vec<Plan>,
    pub steps: Vec<Step>,
    pub waits: Vec<WaitFor>,
    /// What the service's checks were asked.
    pub examined: Vec<Examination>,
    /// Where the plans moved all customers, for the metrics.
    pub switched: BTreeSet<Switched>,
    /// `None`: a step failed that had to be carried out, or the call was cut off.
    pub end: Option<End>,
    /// What could not follow.
    pub not_followed: Vec<String>,
}

/// How long a call is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    ItEnds,
    ItWaits,
}

impl Account {
    /// The call, and those after it as long as it waits.
    pub fn call(self, request: &Request) -> Course {
        self.follow(request, Until::ItEnds)
    }

    /// One call only: it may end waiting.
    pub fn call_once(self, request: &Request) -> Course {
        self.follow(request, Until::ItWaits)
    }

    /// The first plan, and nothing of it carried out.
    pub fn plan(&self, request: &Request) -> Plan {
        let scope = plans::scope(&request.verb, &self.service);
        plans::plan(request, &self.service, &self.look(request, scope, &BTreeSet::new()), self.now)
    }

    fn follow(self, request: &Request, until: Until) -> Course {
        let mut course = Course {
            account: self,
            plans: vec![],
            steps: vec![],
            waits: vec![],
            examined: vec![],
            switched: BTreeSet::new(),
            end: None,
            not_followed: vec![],
        };
        let served_before = course.account.served_alone();
        let rejected_before = course.rejected();
        course.run(request, until);
        let served = course.account.served_alone();
        assert!(
            served.is_none() || served == served_before || !course.switched.is_empty(),
            "customers were moved, and the metrics do not know:\n{}",
            course.story()
        );
        if !matches!(course.end, None | Some(End::Wait(_))) {
            course.all_rejected_were_told(&rejected_before);
            course.plans_nothing_more(request);
        }
        course
    }
}

impl Course {
    fn run(&mut self, request: &Request, until: Until) {
        let mut scope = plans::scope(&request.verb, &self.account.service);
        let mut checked = None;
        let mut no_capacity = BTreeSet::new();
        let mut looks = 0;
        loop {
            looks += 1;
            assert!(
                looks < LOOKS_MAX,
                "a call that never ends, its last plan:\n{}",
                explain(self.plans.last().unwrap())
            );
            let world = World { checked: checked.clone(), ..self.account.look(request, scope, &no_capacity) };
            let plan = plans::plan(request, &self.account.service, &world, self.account.now);
            self.switched.extend(plans::switches(request, &world, &plan));
            self.plans.push(plan.clone());
            match self.carry_out(&plan, request, &mut no_capacity) {
                Carried::All => {}
                Carried::LookAgain => continue,
                Carried::Later => {
                    self.pause(WaitFor::Lease);
                    continue;
                }
                Carried::Stopped => return,
            }
            match plan.end {
                End::Look => assert!(!plan.stages.is_empty(), "a plan that does nothing and looks again"),
                End::LookForLaunch => scope = Scope { launch: true, listener: true, ..scope },
                End::Check(examination) => {
                    checked = Some(self.account.examine(&examination));
                    self.examined.push(*examination);
                }
                End::Wait(wait) => {
                    self.waits.push(wait.clone());
                    if until == Until::ItWaits || self.waits.len() > WAITS_MAX {
                        self.end = Some(End::Wait(wait));
                        return;
                    }
                    // The next call knows nothing of this one.
                    self.pause(wait);
                    (looks, scope) = (0, plans::scope(&request.verb, &self.account.service));
                    checked = None;
                    no_capacity.clear();
                }
                end @ (End::Done(_) | End::Refuse(_) | End::Fail(_)) => {
                    self.end = Some(end);
                    return;
                }
            }
        }
    }

    fn pause(&mut self, _wait: WaitFor) {
        self.account.move_time(PAUSE_SECONDS);
    }

    fn carry_out(
        &mut self,
        plan: &Plan,
        request: &Request,
        no_capacity: &mut BTreeSet<domain::id::SubnetId>,
    ) -> Carried {
        for stage in &plan.stages {
            let mut came = Carried::All;
            for step in &stage.steps {
                if self.account.cut_after == Some(0) {
                    return Carried::Stopped;
                }
                self.account.cut_after = self.account.cut_after.map(|left| left - 1);
                promises::check(&self.account, step, request);
                self.steps.push(step.clone());
                match (self.account.carry_out(step), stage.on_failure) {
                    (Came::Done, _) => {}
                    (Came::Again, _) => came = Carried::LookAgain,
                    (Came::Later, _) => came = Carried::Later,
                    (Came::NoCapacity(subnet), _) => {
                        no_capacity.insert(subnet);
                        came = Carried::LookAgain;
                    }
                    (Came::Failed(why), OnFailure::Follow) => {
                        self.not_followed.push(format!("{}: {why}", explain_step(step)));
                    }
                    (Came::Failed(_), OnFailure::Stop) => return Carried::Stopped,
                }
            }
            if came != Carried::All {
                return came;
            }
        }
        Carried::All
    }

    fn rejected(&self) -> BTreeSet<String> {
        let servers = self.account.servers.values().map(|server| &server.tags);
        let tags = servers.chain(self.account.groups.values().map(|group| &group.tags));
        let rejected = tags.filter(|tags| tags.get("pointsman:role").is_some_and(|role| role == "rejected"));
        rejected.filter_map(|tags| tags.get("pointsman:release").cloned()).collect()
    }

    /// Promise 8: people are told of each rejected release.
    fn all_rejected_were_told(&self, before: &BTreeSet<String>) {
        for release in self.rejected().difference(before) {
            let told =
                |notice: &domain::notice::Notice| notice.release.as_ref().is_some_and(|id| id.as_str() == release);
            assert!(
                self.account.notices.iter().any(told),
                "{release} was rejected and nobody was told:\n{}",
                self.story()
            );
        }
    }

    /// Planned once more, it changes nothing and says the same.
    fn plans_nothing_more(&self, request: &Request) {
        if matches!(self.end, Some(End::Fail(_))) || !self.account.denied.is_empty() {
            return;
        }
        let mut again = self.account.plan(request);
        if again.end == End::LookForLaunch && again.stages.is_empty() {
            let scope = Scope { launch: true, listener: true, ..plans::scope(&request.verb, &self.account.service) };
            let world = self.account.look(request, scope, &BTreeSet::new());
            again = plans::plan(request, &self.account.service, &world, self.account.now);
        }
        if let End::Check(examination) = &again.end {
            let scope = plans::scope(&request.verb, &self.account.service);
            let checked = Some(self.account.examine(examination));
            let world = World { checked, ..self.account.look(request, scope, &BTreeSet::new()) };
            again = plans::plan(request, &self.account.service, &world, self.account.now);
        }
        let steps = again.stages.iter().map(|stage| stage.steps.len()).sum::<usize>();
        let same = match (&self.end, &again.end) {
            (Some(End::Done(_)), End::Done(done)) => done.nothing_to_do,
            (Some(End::Refuse(a)), End::Refuse(b)) => a == b,
            _ => false,
        };
        assert!(same && steps == 0, "{}\nand once more:\n{}", self.story(), explain(&again));
    }

    /// Everything that was planned, as text.
    pub fn story(&self) -> String {
        let mut texts: Vec<String> = self.plans.iter().map(explain).collect();
        texts.dedup();
        texts.join("\n---\n")
    }

    /// The end as text: `done: …`, `refused: …`.
    pub fn ended(&self) -> String {
        self.end.as_ref().map_or_else(|| "stopped".to_owned(), explain_end)
    }

    pub fn done(self) -> Account {
        assert!(matches!(self.end, Some(End::Done(_))), "{}", self.story());
        self.account
    }

    /// The refusal's words; nothing of the account was changed by steps.
    pub fn refused(&self) -> String {
        let Some(End::Refuse(refusal)) = &self.end else { panic!("{}", self.story()) };
        let changed: Vec<&Step> = self.steps.iter().filter(|step| step.changes_account()).collect();
        assert!(changed.is_empty(), "refused, and changed something:\n{}", self.story());
        refusal.to_string()
    }

    /// The failure's words.
    pub fn failed(&self) -> String {
        let Some(End::Fail(failure)) = &self.end else { panic!("{}", self.story()) };
        failure.to_string()
    }

    /// What a single call waits for; it changed nothing.
    pub fn waiting(&self) -> String {
        let Some(End::Wait(wait)) = &self.end else { panic!("{}", self.story()) };
        wait.to_string()
    }

    /// Where a step stands among those taken.
    pub fn place(&self, step: impl Fn(&Step) -> bool) -> Option<usize> {
        self.steps.iter().position(step)
    }

    pub fn count(&self, step: impl Fn(&Step) -> bool) -> usize {
        self.steps.iter().filter(|taken| step(taken)).count()
    }
}

#[derive(PartialEq, Eq)]
enum Carried {
    All,
    LookAgain,
    Later,
    Stopped,
}

fn request(release: Option<&str>, verb: Verb) -> Request {
    Request::new(ServiceName::new("mobile-web").unwrap(), release.map(|id| ReleaseId::new(id).unwrap()), verb)
}

pub fn provision(release: &str) -> Request {
    request(Some(release), Verb::Provision)
}

pub fn register(release: &str) -> Request {
    request(Some(release), Verb::Register)
}

pub fn promote(release: &str) -> Request {
    request(Some(release), Verb::Promote)
}

pub fn finish(release: &str) -> Request {
    request(Some(release), Verb::Finish)
}

pub fn remove(release: &str) -> Request {
    request(Some(release), Verb::Remove)
}

pub fn sweep() -> Request {
    request(None, Verb::Sweep)
}

pub fn rollback(release: &str) -> Request {
    event(release, RollbackScope::ToTheEnd)
}

/// An alarm's event of a service that has people decide.
pub fn freeze(release: &str) -> Request {
    freeze_since(release, Time::from_seconds(i64::from(u32::MAX)))
}

/// An alarm's event that has been red since then.
pub fn freeze_since(release: &str, since: Time) -> Request {
    request(Some(release), Verb::Freeze { reason: "alarm mobile-5xx: Threshold crossed: 12 > 5".to_owned(), since })
}

/// A rollback as an event asks for it.
pub fn event(release: &str, scope: RollbackScope) -> Request {
    request(Some(release), Verb::Rollback { reason: "it answers 500".to_owned(), scope })
}

/// A promote that takes alarms that are red already as they are.
pub fn promote_despite(release: &str) -> Request {
    Request { despite_alarms: true, ..promote(release) }
}

/// The same as a pipeline's job that was first called when the account's time was that.
pub fn job(request: Request, account: &Account) -> Request {
    Request { started: Some(account.now), ..request }
}

/// The same as a job that was first called two hours before, and kept from its work by a hold until the account's time was that.
pub fn kept_job(request: Request, account: &Account) -> Request {
    Request { started: Some(account.now + -7_200), kept_until: Some(account.now), ..request }
}
