//! A notice as mail: a subject, and plain text that reads like a letter.

use super::{Notice, ROLLBACK, Status, cut, with_short_ids};

/// SNS takes subjects of under 100 characters; mail programs show fewer.
const SUBJECT_CHARACTERS: usize = 99;
/// What a mail may have; see the limit of a sentence.
const MAIL_CHARACTERS: usize = 20_000;

impl Notice {
    /// One line of ASCII, under 100 characters, that says by its first word how loud it is.
    pub fn subject(&self) -> String {
        let is_rollback = self.event == ROLLBACK;
        let mark = match self.status {
            Status::Done | Status::Attention if is_rollback => "ROLLBACK: ",
            Status::Refused if is_rollback => "REFUSED: ",
            Status::Done => "",
            Status::Refused => "refused: ",
            Status::Failed => "FAILED: ",
            Status::Attention => "ATTENTION: ",
        };
        let event = if mark == "ROLLBACK: " { String::new() } else { format!(" {}", self.event) };
        let line = format!("{mark}{}{event}: {}", self.service, with_short_ids(&self.headline));
        let line = line.replace('…', "...");
        let line: String = line.chars().filter_map(plain).collect();
        let line = line.trim_end();
        match line.get(..SUBJECT_CHARACTERS - 3) {
            Some(start) if line.len() > SUBJECT_CHARACTERS => format!("{}...", start.trim_end()),
            _ => line.to_owned(),
        }
    }

    /// The whole story as plain text.
    pub fn text(&self, region: &str) -> String {
        let mut text = format!("{}\n", self.first_sentence());
        for line in &self.lines {
            text.push_str(&format!("{line}\n"));
        }
        let mut look = self.look.clone();
        look.extend(self.execution_url(region).map(|url| ("Pipeline".to_owned(), url)));
        if !look.is_empty() {
            text.push_str("\nWhere to look\n");
            let width = look.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
            for (label, place) in &look {
                text.push_str(&format!("  {label:width$}  {place}\n"));
            }
        }
        if !self.next.is_empty() {
            text.push_str("\nWhat to do next\n");
            for next in &self.next {
                text.push_str(&format!("  - {next}\n"));
            }
        }
        text.push_str(&format!("\nService   {}\n", self.service));
        if let Some(release) = &self.release {
            text.push_str(&format!("Release   {release}\n"));
        }
        text.push_str(&format!("Asked by  {}\n", self.who()));
        text.push_str(&format!("Status    {} ({})\n", self.status.as_str(), self.event));
        if text.chars().nth(MAIL_CHARACTERS).is_some() {
            text = format!(
                "{}\n\nThis is the beginning: the rest is in the function's log.\n",
                cut(&text, MAIL_CHARACTERS)
            );
        }
        text
    }

    /// Who or what asked, for people.
    pub(super) fn who(&self) -> &str {
        if self.asked_by.is_empty() { "nobody: Pointsman noticed it" } else { &self.asked_by }
    }

    /// The headline as a sentence of its own: with a capital letter, unless it begins with a name, and with its full stop.
    pub(super) fn first_sentence(&self) -> String {
        let headline = self.headline.trim();
        let first = headline.split(' ').next().unwrap_or_default();
        let is_name = first == self.service.as_str() || self.release.as_ref().is_some_and(|r| first == r.as_str());
        let is_word = !is_name && first.chars().all(|c| c.is_ascii_lowercase());
        let mut characters = headline.chars();
        let sentence = match characters.next() {
            Some(c) if is_word => format!("{}{}", c.to_ascii_uppercase(), characters.as_str()),
            _ => headline.to_owned(),
        };
        let ends = sentence.ends_with(['.', ':', '!', '?', '…']);
        if ends { sentence } else { format!("{sentence}.") }
    }
}

/// A character as subjects have it: no breaks, no control characters, ASCII.
fn plain(c: char) -> Option<char> {
    match c {
        '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{2018}' | '\u{2019}' => Some('\''),
        '\u{2013}' | '\u{2014}' => Some('-'),
        _ if c.is_control() || c.is_whitespace() => Some(' '),
        _ if c.is_ascii() => Some(c),
        _ => Some('?'),
    }
}
