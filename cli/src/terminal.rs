//! Where answers and questions go: answers to the standard output, everything else to the standard error.

use std::io::{BufRead, ErrorKind, IsTerminal, Write, stderr, stdin, stdout};

use anstream::{AutoStream, ColorChoice};
use serde_json::{Value, json};
use view::arguments::Color;
use view::exit::{self, Fault};
use view::paint::{BAD, paint};

/// Puts the cursor to the top and clears what is below.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// A terminal, or what stands for it.
pub struct Terminal {
    /// Answers are for scripts.
    pub json: bool,
    color: ColorChoice,
}

impl Terminal {
    pub fn new(json: bool, color: Color) -> Self {
        let color = match color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { json, color }
    }

    /// Answers.
    pub fn say(&self, text: &str) -> Result<(), Fault> {
        write(AutoStream::new(stdout(), self.color).lock(), text.as_bytes())
    }

    /// Draws the screen anew, where there is one: it is no colour, and goes there without colours too.
    pub fn clear(&self) -> Result<(), Fault> {
        if self.json || !stdout().is_terminal() {
            return Ok(());
        }
        write(stdout().lock(), CLEAR)
    }

    /// Answers in JSON, on one line.
    pub fn json(&self, value: &Value) -> Result<(), Fault> {
        self.say(&format!("{value}\n"))
    }

    /// Says something beside the answer. Whoever does not read it loses nothing.
    pub fn tell(&self, text: &str) {
        let mut err = AutoStream::new(stderr(), self.color).lock();
        let _ = writeln!(err, "{text}");
    }

    /// Says why it ends.
    pub fn fault(&self, code: u8, sentence: &str) {
        if sentence.is_empty() {
            return;
        }
        if self.json {
            let _ = self.json(&json!({"status": "fault", "code": code, "reason": sentence}));
        }
        self.tell(&paint(BAD, sentence));
    }

    /// Asks for a yes.
    pub fn agrees(&self, question: &str) -> Result<(), Fault> {
        self.asks(&format!("{question} [y/N] "), |answer| ["y", "yes"].contains(&answer.to_lowercase().as_str()))
    }

    /// Asks for a name: what cannot be undone is agreed to by no letter that is typed by habit.
    pub fn agrees_by_name(&self, question: &str, name: &str) -> Result<(), Fault> {
        self.asks(&format!("{question} Type {name} if so: "), |answer| answer == name)
    }

    fn asks(&self, prompt: &str, is_yes: impl Fn(&str) -> bool) -> Result<(), Fault> {
        // The plan is on the standard output: whoever answers has to see it.
        if !(stdin().is_terminal() && stdout().is_terminal() && stderr().is_terminal()) {
            let sentence = "Nothing was changed: there is no terminal for the plan and the question. Say --yes if that is what you want.";
            return Err(Fault::new(exit::NOT_AGREED, sentence));
        }
        let mut err = AutoStream::new(stderr(), self.color).lock();
        let _ = write!(err, "{prompt}");
        let _ = err.flush();
        let mut answer = String::new();
        let read = stdin().lock().read_line(&mut answer);
        if read.is_ok() && is_yes(answer.trim()) {
            Ok(())
        } else {
            Err(Fault::new(exit::NOT_AGREED, "Nothing was changed."))
        }
    }
}

fn write(mut out: impl Write, bytes: &[u8]) -> Result<(), Fault> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        // As `head` does when it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Fault::new(exit::PIPE_CLOSED, "")),
        Err(error) => Err(Fault::new(exit::FAILED, format!("The output could not be written: {error}."))),
    }
}
