//! A notice as a chat message: the custom notification of Amazon Q Developer in chat applications, which Slack and Teams show.
//!
//! <https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html>

use serde_json::{Value, json};

use super::{Level, Notice, ROLLBACK, SENTENCE_CHARACTERS, Status, cut, is_execution_id, with_short_ids};
use crate::id::ReleaseId;

/// A message longer than this is cut by its platform, in the middle of a word.
const CHAT_CHARACTERS: usize = 7_000;
/// A headline that is longer is cut in the title, and whole below it.
const TITLE_CHARACTERS: usize = 120;
/// How many steps to take next are shown.
const CHAT_STEPS: usize = 5;

impl Notice {
    /// The custom notification.
    pub fn chat(&self, region: &str) -> Value {
        // Who needs a whole id finds it below; in a sentence nobody reads it.
        let mut description: Vec<String> = self.lines.iter().map(|line| with_short_ids(line)).collect();
        let headline = cut(&with_short_ids(&self.headline), SENTENCE_CHARACTERS);
        let title = cut(&headline, TITLE_CHARACTERS);
        if title != headline {
            description.insert(0, with_short_ids(&self.first_sentence()));
        }
        description.extend(self.look.iter().map(|(label, place)| format!("*{label}* {place}")));
        description.extend(self.execution_url(region).map(|url| format!("*Pipeline* {url}")));
        description.extend(self.release.iter().map(|release| format!("*Release* {release}")));
        description.push(format!("*Asked by* {}", self.who()));
        let description = cut(description.join("\n").trim(), CHAT_CHARACTERS);
        let next = self.next.iter().take(CHAT_STEPS).map(|next| cut(&with_short_ids(next), SENTENCE_CHARACTERS));
        let next: Vec<String> = next.collect();
        let mut content = json!({
            "textType": "client-markdown",
            "title": format!("{} {} {}: {title}", self.icon(), self.service, self.event),
            "description": description,
            "keywords": [self.service.as_str(), self.event, self.status.as_str(), self.level().as_str()],
        });
        if let (false, Some(content)) = (next.is_empty(), content.as_object_mut()) {
            content.insert("nextSteps".into(), json!(next));
        }
        json!({
            "version": "1.0",
            "source": "custom",
            "content": content,
            "metadata": {
                "threadId": self.thread(),
                "summary": headline,
                "eventType": format!("pointsman-{}", self.event),
                "additionalContext": {
                    "service": self.service.as_str(),
                    "release": self.release.as_ref().map(ReleaseId::as_str).unwrap_or_default(),
                    "status": self.status.as_str(),
                    "level": self.level().as_str(),
                },
            },
        })
    }

    /// One thread for each release. An execution's id is unique, and all that the rules of the pipelines' steps know; other
    /// names of releases may be used by several services.
    fn thread(&self) -> String {
        match &self.release {
            Some(release) if is_execution_id(release.as_str()) => release.to_string(),
            Some(release) => format!("{}/{release}", self.service),
            None => self.service.to_string(),
        }
    }

    /// As a character: Teams knows no names of emojis between colons.
    fn icon(&self) -> &'static str {
        match self.status {
            Status::Done | Status::Attention if self.event == ROLLBACK => "\u{23EA}",
            Status::Done if self.level() == Level::Quiet || self.event == "rejected" => "\u{25AB}\u{FE0F}",
            Status::Done => "\u{2705}",
            Status::Refused => "\u{26D4}",
            Status::Failed => "\u{274C}",
            Status::Attention => "\u{1F6A8}",
        }
    }
}
