//! The continuation token of a job: when it was first called, since when it may work, and since when AWS hinders it.

use serde::{Deserialize, Serialize};

use crate::refusal::WaitFor;
use crate::time::Time;

/// What a job carries from one of its calls to the next. CodePipeline keeps it; it is at most 2048 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The version of this shape, so that a job in flight survives an upgrade.
    #[serde(rename = "v")]
    version: u32,
    /// The job's first call; its waits are counted from it, unless it was kept from its work then.
    pub started: Time,
    /// Which call of the job comes next.
    pub attempt: u32,
    /// Since when AWS hinders it, call after call; nothing while all goes its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub troubled: Option<Time>,
    /// The last call at which somebody held the service or another release was being promoted: the job's time to work
    /// begins then. Nothing where it never met that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Time>,
}

impl Token {
    const VERSION: u32 = 1;

    /// The first token of a job.
    pub const fn first(started: Time) -> Self {
        Self { version: Self::VERSION, started, attempt: 1, troubled: None, kept_until: None }
    }

    /// The token for the call after this one, which ended now and waits for that.
    pub fn next(self, wait: &WaitFor, now: Time) -> Self {
        let troubled = if matches!(wait, WaitFor::Aws { .. }) {
            self.troubled.or(Some(now))
        } else {
            // Neither says that AWS does well again.
            self.troubled.filter(|_| matches!(wait, WaitFor::Time | WaitFor::Lease))
        };
        let kept = matches!(wait, WaitFor::Held(_) | WaitFor::Promotion { .. }).then_some(now);
        Self { attempt: self.attempt.saturating_add(1), troubled, kept_until: kept.or(self.kept_until), ..self }
    }

    /// Reads what CodePipeline gives back. A token of a version that is not known starts the job's time anew:
    /// it only bounds waits.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|token: &Self| token.version == Self::VERSION)
    }

    /// The token as CodePipeline keeps it.
    pub fn write(self) -> String {
        serde_json::to_string(&self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crate::id::ReleaseId;

    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went() {
        let began = Time::from_seconds(1_795_258_800);
        let token = Token::first(began).next(&WaitFor::Time, began + 60);
        assert_eq!(token.write(), r#"{"v":1,"started":1795258800,"attempt":2}"#);
        assert_eq!(Token::read(&token.write()), Some(token));
        let troubled = token.next(&WaitFor::Aws { what: "throttled".to_owned() }, began + 120);
        assert_eq!(troubled.write(), r#"{"v":1,"started":1795258800,"attempt":3,"troubled":1795258920}"#);
        assert_eq!(Token::read(&troubled.write()), Some(troubled));
        assert_eq!(Token::read(r#"{"v":9,"started":1,"attempt":1}"#), None);
        assert_eq!(Token::read("nonsense"), None);
    }

    #[test]
    fn the_time_to_work_begins_when_nobody_keeps_the_job_from_it() {
        let at = |seconds: i64| Time::from_seconds(1_795_258_800 + seconds);
        let promotion = WaitFor::Promotion { promoting: ReleaseId::new("r1").unwrap() };
        let servers = WaitFor::Servers { release: ReleaseId::new("r2").unwrap(), missing: "1 of 2 run".to_owned() };
        let mut token = Token::first(at(0));
        for (wait, now, kept_until) in [
            (&servers, 60, None),
            (&promotion, 120, Some(at(120))),
            (&promotion, 7_200, Some(at(7_200))),
            (&servers, 7_260, Some(at(7_200))),
        ] {
            token = token.next(wait, at(now));
            assert_eq!((token.started, token.kept_until), (at(0), kept_until), "{wait}");
        }
        assert_eq!(Token::read(&token.write()), Some(token));
    }

    #[test]
    fn trouble_counts_from_its_first_call_until_something_else_is_waited_for() {
        let at = |seconds: i64| Time::from_seconds(1_795_258_800 + seconds);
        let aws = WaitFor::Aws { what: "throttled".to_owned() };
        let bake = WaitFor::Bake { release: ReleaseId::new("r2").unwrap(), seconds: 60 };
        let mut token = Token::first(at(0));
        for (wait, now, troubled) in [
            (&bake, 60, None),
            (&aws, 3_600, Some(at(3_600))),
            (&WaitFor::Lease, 3_660, Some(at(3_600))),
            (&aws, 3_720, Some(at(3_600))),
            (&bake, 3_780, None),
            (&aws, 3_840, Some(at(3_840))),
        ] {
            token = token.next(wait, at(now));
            assert_eq!(token.troubled, troubled, "{wait}");
        }
    }
}
