//! The faults: how a call of AWS is cut off, and who comes next.

use std::sync::Arc;

use gateway::fault::Hook;
use gateway::{Request, Rule, What};
use lambda::Functions;

use crate::ask::Kind;
use crate::names::{Name, Names};

/// How often an SDK tries an operation; so often, and once more, a fault strikes that lasts a while.
const A_WHILE: u32 = 4;

/// What happens to a call of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cut {
    /// The caller is killed before its call is sent on.
    KilledBefore,
    /// The caller is killed after AWS did it.
    KilledAfter,
    /// AWS did it; the connection is reset. The SDK's second try gets its answer.
    AnswerLost,
    /// The same, at each try of the SDK's.
    AnswersLost,
    /// HTTP 500, once.
    Error,
    /// HTTP 500 at each try.
    Errors,
    /// Throttled at each try of the SDK's, and once more.
    Throttled,
    /// Access is denied for a while.
    Denied,
}

impl Cut {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 8] = [
        Self::KilledBefore,
        Self::KilledAfter,
        Self::AnswerLost,
        Self::AnswersLost,
        Self::Error,
        Self::Errors,
        Self::Throttled,
        Self::Denied,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::KilledBefore => "killed before",
            Self::KilledAfter => "killed after",
            Self::AnswerLost => "answer lost once",
            Self::AnswersLost => "answers lost",
            Self::Error => "500 once",
            Self::Errors => "500s",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
        }
    }

    /// Whether the SDK heals it by itself.
    #[must_use]
    pub fn is_healed(self) -> bool {
        matches!(self, Self::AnswerLost | Self::Error)
    }

    /// The rules that bring it about, for the so-manieth call of a name. What lasts a while lasts until the caller's end;
    /// an event's caller does not end before its time, so there it is over after some calls.
    #[must_use]
    pub fn rules(self, kind: Kind, name: &Name, nth: u32, names: &Arc<Names>, functions: &Functions) -> Vec<Rule> {
        let rule = |what| {
            let (name, names) = (name.clone(), Arc::clone(names));
            let rule = Rule::new(what).service(&name.service.clone()).action(&name.action.clone());
            rule.when(move |request| names.of_request(request) == name).skip(nth - 1)
        };
        let a_while = |what| match kind {
            Kind::Event => rule(what).times(A_WHILE),
            Kind::Job | Kind::Direct => rule(what),
        };
        match self {
            Self::KilledBefore => {
                vec![rule(What::Before(killer(functions))).times(1), rule(What::ResetBefore).times(1)]
            }
            Self::KilledAfter => vec![rule(What::After(killer(functions))).times(1)],
            Self::AnswerLost => vec![rule(What::ResetAfter).times(1)],
            Self::AnswersLost => vec![a_while(What::ResetAfter)],
            Self::Error => vec![rule(What::InternalError).times(1)],
            Self::Errors => vec![a_while(What::InternalError)],
            // A call asks again for as long as it has time: what lasts is for `faults load`.
            Self::Throttled => vec![rule(What::Throttle).times(A_WHILE)],
            Self::Denied => match kind {
                Kind::Event => vec![rule(What::AccessDenied).times(1)],
                Kind::Job | Kind::Direct => vec![rule(What::AccessDenied)],
            },
        }
    }
}

/// Kills, with signal 9, whoever makes a call.
fn killer(functions: &Functions) -> Hook {
    let functions = functions.clone();
    Arc::new(move |request: Request| {
        let session = request.header("x-amz-security-token").unwrap_or_default().to_owned();
        let functions = functions.clone();
        Box::pin(async move {
            // One that ended meanwhile is as dead.
            let _ = functions.kill_session(&session);
        })
    })
}

/// Who comes after a call that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// The same job or event again, with its token.
    Same,
    /// A new job or event that asks the same.
    New,
    /// A direct call by somebody else.
    Direct,
    /// Nobody: what was cut off stays as it is. It shows that there is something to come to an end.
    Nobody,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Same, Self::New, Self::Direct];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "the same again",
            Self::New => "a new one",
            Self::Direct => "a direct call",
            Self::Nobody => "nobody",
        }
    }
}
