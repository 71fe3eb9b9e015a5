//! The continuation token of a job: when it was first called.

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// What a job carries from one of its calls to the next. CodePipeline keeps it; it is at most 2048 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The version of this shape, so that a job in flight survives an upgrade.
    #[serde(rename = "v")]
    version: u32,
    /// The job's first call; its waits are counted from it.
    pub started: Time,
    /// Which call of the job comes next.
    pub attempt: u32,
}

impl Token {
    const VERSION: u32 = 1;

    /// The first token of a job.
    pub const fn first(started: Time) -> Self {
        Self { version: Self::VERSION, started, attempt: 1 }
    }

    /// The token for the call after this one.
    pub const fn next(self) -> Self {
        Self { attempt: self.attempt.saturating_add(1), ..self }
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
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went() {
        let token = Token::first(Time::from_seconds(1_795_258_800)).next();
        assert_eq!(token.write(), r#"{"v":1,"started":1795258800,"attempt":2}"#);
        assert_eq!(Token::read(&token.write()), Some(token));
        assert_eq!(Token::read(r#"{"v":9,"started":1,"attempt":1}"#), None);
        assert_eq!(Token::read("nonsense"), None);
    }
}
