//! Faults: rules that slow calls down, refuse them, cut them off, or run something at their side.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{BoxFuture, Request, Response, protocol};

/// Runs at a point of a call; the call waits for it.
pub type Hook = Arc<dyn Fn(Request) -> BoxFuture<'static, ()> + Send + Sync>;

/// Makes another answer of AWS's.
pub type Alter = Arc<dyn Fn(&Request, Response) -> Response + Send + Sync>;

/// What a rule does to a call that it matches.
#[derive(Clone)]
pub enum What {
    /// Waits before the call is sent on.
    Delay(Duration),
    /// Refuses it with the service's own throttling error.
    Throttle,
    /// Refuses it as IAM would, naming action and resource.
    AccessDenied,
    /// Refuses it with any error.
    Error { status: u16, code: String, message: String },
    /// Answers 500 with an error that says nothing.
    InternalError,
    /// Resets the connection; AWS never sees the call.
    ResetBefore,
    /// AWS does it, and the connection is reset instead of an answer.
    ResetAfter,
    /// Runs a hook before the call is sent on.
    Before(Hook),
    /// Runs a hook after AWS did it, before the caller is answered.
    After(Hook),
    /// AWS does it, and the caller gets another answer.
    Alter(Alter),
}

impl What {
    /// Any given error.
    #[must_use]
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Error { status, code: code.to_owned(), message: message.to_owned() }
    }

    /// Whether AWS does not do what was called.
    pub(crate) fn refuses(&self) -> bool {
        match self {
            Self::Throttle | Self::AccessDenied | Self::Error { .. } | Self::InternalError | Self::ResetBefore => true,
            Self::Delay(_) | Self::ResetAfter | Self::Before(_) | Self::After(_) | Self::Alter(_) => false,
        }
    }
}

impl fmt::Debug for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(delay) => write!(f, "delay {} ms", delay.as_millis()),
            Self::Throttle => f.write_str("throttle"),
            Self::AccessDenied => f.write_str("access denied"),
            Self::Error { code, .. } => write!(f, "error {code}"),
            Self::InternalError => f.write_str("internal error"),
            Self::ResetBefore => f.write_str("reset before"),
            Self::ResetAfter => f.write_str("reset after"),
            Self::Before(_) => f.write_str("hook before"),
            Self::After(_) => f.write_str("hook after"),
            Self::Alter(_) => f.write_str("altered answer"),
        }
    }
}

/// Says whether a fault meets a call.
pub type Test = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// Which calls a fault meets, and which of them in turn.
#[derive(Clone)]
pub struct Rule {
    caller: Option<String>,
    service: Option<String>,
    action: Option<String>,
    resource: Option<String>,
    test: Option<Test>,
    skip: u32,
    times: Option<u32>,
    what: What,
}

impl Rule {
    /// Makes a rule for every call; the other methods narrow it.
    #[must_use]
    pub fn new(what: What) -> Self {
        Self { caller: None, service: None, action: None, resource: None, test: None, skip: 0, times: None, what }
    }

    /// A subnet whose zone has no capacity: `RunInstances` there fails with `InsufficientInstanceCapacity`.
    #[must_use]
    pub fn no_capacity(subnet: &str) -> Self {
        let message = format!(
            "We currently do not have sufficient capacity in the Availability Zone of {subnet}. Our system will be \
             working on provisioning additional capacity."
        );
        // AWS counts it among its server errors, so an SDK tries it again.
        let what = What::error(500, "InsufficientInstanceCapacity", &message);
        Self::new(what).service("ec2").action("RunInstances").resource(subnet)
    }

    /// Only calls signed with this access key id.
    #[must_use]
    pub fn caller(mut self, caller: &str) -> Self {
        self.caller = Some(caller.to_owned());
        self
    }

    /// Only calls to this service, by its signing name.
    #[must_use]
    pub fn service(mut self, service: &str) -> Self {
        self.service = Some(service.to_owned());
        self
    }

    /// Only this action.
    #[must_use]
    pub fn action(mut self, action: &str) -> Self {
        self.action = Some(action.to_owned());
        self
    }

    /// Only calls about a resource whose ARN, id or name contains this.
    #[must_use]
    pub fn resource(mut self, part: &str) -> Self {
        self.resource = Some(part.to_owned());
        self
    }

    /// Only calls of which this is so.
    #[must_use]
    pub fn when(mut self, test: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.test = Some(Arc::new(test));
        self
    }

    /// Lets the first `calls` that match pass.
    #[must_use]
    pub fn skip(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// Ends after so many calls.
    #[must_use]
    pub fn times(mut self, calls: u32) -> Self {
        self.times = Some(calls);
        self
    }

    fn matches(&self, request: &Request) -> bool {
        let is = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        is(&self.caller, &request.caller)
            && is(&self.service, &request.service)
            && is(&self.action, &request.action)
            && self.resource.as_deref().is_none_or(|part| request.resources.iter().any(|name| name.contains(part)))
            && self.test.as_ref().is_none_or(|test| test(request))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { caller, service, action, resource, test, skip, times, what } = self;
        let test = test.as_ref().map(|_| "a test");
        write!(f, "{what:?} for {caller:?} {service:?} {action:?} {resource:?} {test:?}, from {skip}, {times:?} times")
    }
}

/// Names a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RuleId(u64);

#[derive(Debug)]
struct Active {
    id: RuleId,
    rule: Rule,
    matched: u32,
    hits: u32,
}

#[derive(Debug, Default)]
struct Rules {
    last: u64,
    active: Vec<Active>,
}

/// The rules in force. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<Mutex<Rules>>);

impl Faults {
    /// Puts a rule in force.
    pub fn add(&self, rule: Rule) -> RuleId {
        let Ok(mut rules) = self.0.lock() else {
            return RuleId(0);
        };
        rules.last += 1;
        let id = RuleId(rules.last);
        rules.active.push(Active { id, rule, matched: 0, hits: 0 });
        id
    }

    /// Ends a rule.
    pub fn remove(&self, id: RuleId) {
        if let Ok(mut rules) = self.0.lock() {
            rules.active.retain(|active| active.id != id);
        }
    }

    /// Ends all rules.
    pub fn clear(&self) {
        if let Ok(mut rules) = self.0.lock() {
            rules.active.clear();
        }
    }

    /// Counts how often a rule struck.
    #[must_use]
    pub fn hits(&self, id: RuleId) -> u32 {
        let Ok(rules) = self.0.lock() else { return 0 };
        rules.active.iter().find(|active| active.id == id).map_or(0, |active| active.hits)
    }

    /// What strikes this call, in the order in which the rules were added.
    pub(crate) fn strike(&self, request: &Request) -> Vec<What> {
        let Ok(mut rules) = self.0.lock() else {
            return Vec::new();
        };
        let mut strikes = Vec::new();
        for active in &mut rules.active {
            if !active.rule.matches(request) {
                continue;
            }
            active.matched += 1;
            if active.matched > active.rule.skip && active.rule.times.is_none_or(|times| active.hits < times) {
                active.hits += 1;
                strikes.push(active.rule.what.clone());
            }
        }
        strikes
    }
}

/// The answer that a refusing fault gives in place of AWS's; none for the others.
pub(crate) fn refusal(what: &What, request: &Request) -> Option<Response> {
    let (status, code, message) = match what {
        What::Throttle => {
            let (status, code, message) = protocol::throttled(request);
            (status, code.to_owned(), message.to_owned())
        }
        What::AccessDenied => {
            let (status, code, message) = protocol::denied(request);
            (status, code.to_owned(), message)
        }
        What::Error { status, code, message } => (*status, code.clone(), message.clone()),
        What::InternalError => (500, "InternalFailure".to_owned(), "An internal error has occurred".to_owned()),
        What::Delay(_) | What::ResetBefore | What::ResetAfter | What::Before(_) | What::After(_) | What::Alter(_) => {
            return None;
        }
    };
    Some(protocol::error(request, status, &code, &message))
}
