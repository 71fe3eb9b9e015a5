//! What people are told: one notice, for mail as plain text and for chat as Amazon Q Developer's custom schema.

use serde_json::{Value, json};

use crate::id::{ReleaseId, ServiceName};

/// One message to the service's people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The service.
    pub service: ServiceName,
    /// The release it is about, where there is one.
    pub release: Option<ReleaseId>,
    /// What it is about, for filter policies: `provision`, `promote`, `rejected`, `unhealthy` …
    pub event: String,
    /// How it stands.
    pub status: Status,
    /// What happened, one sentence; with service and status it becomes the subject.
    pub headline: String,
    /// More of it, a sentence each.
    pub lines: Vec<String>,
    /// Where to look: a label, and an address, a name or IPs.
    pub look: Vec<(String, String)>,
    /// What to do next.
    pub next: Vec<String>,
}

/// How a call or a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// What was asked for stands.
    Done,
    /// Nothing was changed; the caller has to act.
    Refused,
    /// It was tried and could not be had.
    Failed,
    /// Nobody asked, but people have to know.
    Attention,
}

impl Status {
    /// As message attributes and answers spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Attention => "attention",
        }
    }
}

/// SNS takes subjects of under 100 characters.
const SUBJECT_CHARACTERS: usize = 99;
/// A chat message longer than this is cut by its platform, in the middle of a word.
const CHAT_CHARACTERS: usize = 7_000;
/// What a headline or a step to take next may have; and a mail. SNS takes messages of 262,144 bytes, and a character may take
/// seven of them.
const SENTENCE_CHARACTERS: usize = 1_000;
const MAIL_CHARACTERS: usize = 20_000;
/// How many steps to take next are shown in chat.
const CHAT_STEPS: usize = 5;

impl Notice {
    /// One line, under 100 characters, without line breaks or control characters.
    pub fn subject(&self) -> String {
        let mark = match self.status {
            Status::Done => "",
            Status::Refused => "refused: ",
            Status::Failed => "FAILED: ",
            Status::Attention => "ATTENTION: ",
        };
        let line = format!("{mark}{} {}: {}", self.service, self.event, self.headline);
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let line: String = line.chars().map(|c| if breaks(c) { ' ' } else { c }).collect();
        cut(&line, SUBJECT_CHARACTERS)
    }

    /// The whole story as plain text, for mail.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.headline);
        for line in &self.lines {
            text.push_str(&format!("{line}\n"));
        }
        text.push_str(&format!("\nService   {}\n", self.service));
        if let Some(release) = &self.release {
            text.push_str(&format!("Release   {release}\n"));
        }
        text.push_str(&format!("Status    {} ({})\n", self.status.as_str(), self.event));
        if !self.look.is_empty() {
            text.push_str("\nWhere to look\n");
            let width = self.look.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
            for (label, place) in &self.look {
                text.push_str(&format!("  {label:width$}  {place}\n"));
            }
        }
        if !self.next.is_empty() {
            text.push_str("\nWhat to do next\n");
            for next in &self.next {
                text.push_str(&format!("  - {next}\n"));
            }
        }
        if text.chars().nth(MAIL_CHARACTERS).is_some() {
            text = format!(
                "{}\n\nThis is the beginning: the rest is in the function's log.\n",
                cut(&text, MAIL_CHARACTERS)
            );
        }
        text
    }

    /// Amazon Q Developer's custom notification: the schema that Slack and Teams channels show.
    ///
    /// <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>
    pub fn chat(&self) -> Value {
        let mut description = self.lines.join("\n");
        for (label, place) in &self.look {
            description.push_str(&format!("\n*{label}* {place}"));
        }
        let description = cut(description.trim(), CHAT_CHARACTERS);
        let headline = cut(&self.headline, SENTENCE_CHARACTERS);
        let icon = match self.status {
            Status::Done => ":white_check_mark:",
            Status::Refused => ":no_entry:",
            Status::Failed => ":x:",
            Status::Attention => ":warning:",
        };
        let mut content = json!({
            "textType": "client-markdown",
            "title": format!("{icon} {} {}: {headline}", self.service, self.event),
            "description": if description.is_empty() { &headline } else { &description },
            "keywords": [self.service.as_str(), self.event, self.status.as_str()],
        });
        if !self.next.is_empty()
            && let Some(content) = content.as_object_mut()
        {
            let next = self.next.iter().take(CHAT_STEPS).map(|next| cut(next, SENTENCE_CHARACTERS));
            content.insert("nextSteps".into(), next.collect());
        }
        let thread =
            self.release.as_ref().map_or_else(|| self.service.to_string(), |r| format!("{}/{r}", self.service));
        json!({
            "version": "1.0",
            "source": "custom",
            "content": content,
            "metadata": {
                "threadId": thread,
                "summary": headline,
                "eventType": format!("pointsman-{}", self.event),
                "additionalContext": {
                    "service": self.service.as_str(),
                    "release": self.release.as_ref().map(ReleaseId::as_str).unwrap_or_default(),
                    "status": self.status.as_str(),
                },
            },
        })
    }

    /// The SNS message, for `MessageStructure: json`: mail gets the text, every other protocol the chat schema.
    pub fn message(&self) -> String {
        json!({
            "default": self.chat().to_string(),
            "email": self.text(),
        })
        .to_string()
    }
}

/// A text's beginning, where it is too long.
fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice() -> Notice {
        Notice {
            service: ServiceName::new("mobile-web").unwrap(),
            release: Some(ReleaseId::new("r2").unwrap()),
            event: "promote".into(),
            status: Status::Done,
            headline: "release r2 is product".into(),
            lines: vec!["r1 stays behind the rule with weight 0, the way back.".into()],
            look: vec![
                ("Product".into(), "http://m.example.com".into()),
                ("Servers".into(), "10.0.0.4, 10.0.1.7".into()),
            ],
            next: vec!["Approve KeepIt to keep it, or reject it to go back to r1.".into()],
        }
    }

    #[test]
    fn mail_reads_like_a_letter() {
        insta::assert_snapshot!(notice().text(), @r"
        release r2 is product
        r1 stays behind the rule with weight 0, the way back.

        Service   mobile-web
        Release   r2
        Status    done (promote)

        Where to look
          Product  http://m.example.com
          Servers  10.0.0.4, 10.0.1.7

        What to do next
          - Approve KeepIt to keep it, or reject it to go back to r1.
        ");
    }

    #[test]
    fn a_subject_fits_sns() {
        let long = Notice { headline: "x\ny".repeat(80), status: Status::Failed, ..notice() };
        assert_eq!(long.subject().chars().count(), 99);
        assert!(!long.subject().contains('\n'));
        assert_eq!(notice().subject(), "mobile-web promote: release r2 is product");
        let breaks = Notice { headline: "one\u{2028}two\u{2029}three".into(), ..notice() };
        assert_eq!(breaks.subject(), "mobile-web promote: one two three");
    }

    #[test]
    fn a_message_fits_sns_whatever_it_says() {
        for worst in ["\u{1}", "\"", "\u{1F600}", "\n"] {
            let long = worst.repeat(300_000);
            let lines = vec![long.clone(); 2];
            let look = vec![("Servers".into(), long.clone())];
            let notice = Notice { headline: long.clone(), lines: lines.clone(), look, next: lines, ..notice() };
            let message = notice.message();
            assert!(message.len() < 262_144, "{worst:?}: {} bytes", message.len());
            assert!(notice.text().contains("the rest is in the function's log"), "{worst:?}");
        }
    }

    #[test]
    fn chat_has_the_custom_schema() {
        let chat = notice().chat();
        assert_eq!(chat["version"], "1.0");
        assert_eq!(chat["source"], "custom");
        assert_eq!(chat["content"]["textType"], "client-markdown");
        assert_eq!(chat["metadata"]["threadId"], "mobile-web/r2");
        let message: Value = serde_json::from_str(&notice().message()).unwrap();
        let default: Value = serde_json::from_str(message["default"].as_str().unwrap()).unwrap();
        assert_eq!(default, chat);
    }
}
