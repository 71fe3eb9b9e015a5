//! What people see: plain lines with the time they came at, in colours where it is a terminal.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longer lines are broken.
const WIDTH: usize = 112;
/// Where the text of an event begins.
const TEXT_COLUMN: usize = 32;

/// How something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Bold,
    Dim,
    Green,
    Red,
    Yellow,
    Cyan,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Red => "31",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }
}

/// The terminal. Clones write to the same one.
#[derive(Clone, Debug)]
pub struct Terminal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    colours: bool,
    // A block of lines stays together.
    out: Mutex<std::io::Stdout>,
}

impl Terminal {
    /// Standard output. Times are counted from now.
    #[must_use]
    pub fn new() -> Self {
        let out = std::io::stdout();
        let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self(Arc::new(Inner { began: Instant::now(), colours, out: Mutex::new(out) }))
    }

    /// How long it has been since the beginning.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// A chapter begins.
    pub fn heading(&self, text: &str) {
        self.write(&format!("\n{}\n", self.styled(Style::Bold, text)));
    }

    /// Lines of text, broken where they are too long; but for indented ones, which are commands and figures.
    pub fn say(&self, text: &str) {
        let lines = text.split('\n').flat_map(|line| match line.starts_with("  ") {
            true => vec![line.to_owned()],
            false => wrap(line, WIDTH),
        });
        self.write(&lines.map(|line| format!("{line}\n")).collect::<String>());
    }

    /// Something happened: a mark, its name, how long it took, and what came of it.
    pub fn event(&self, style: Style, mark: &str, name: &str, took: Option<Duration>, text: &str) {
        let time = format!("{:>6.1} s", self.elapsed().as_secs_f64());
        let took = took.map(|took| format!("{:.1} s", took.as_secs_f64())).unwrap_or_default();
        let name = format!("{name:<10}");
        let mut lines = text.lines().flat_map(|line| wrap(line, WIDTH - TEXT_COLUMN));
        let first = lines.next().unwrap_or_default();
        let mut block = format!(
            "{}  {} {} {took:>6}  {first}\n",
            self.styled(Style::Dim, &time),
            self.styled(style, mark),
            self.styled(Style::Bold, &name),
        );
        for line in lines {
            block.push_str(&format!("{:TEXT_COLUMN$}{line}\n", ""));
        }
        self.write(&block);
    }

    /// A message that people got: its subject, and the first lines of the rest.
    pub fn message(&self, subject: &str, lines: &[String]) {
        let mut block =
            format!("{:TEXT_COLUMN$}{} {}\n", "", self.styled(Style::Cyan, "✉"), self.styled(Style::Cyan, subject));
        for line in lines.iter().flat_map(|line| wrap(line, WIDTH - TEXT_COLUMN - 2)) {
            block.push_str(&format!("{:width$}{}\n", "", self.styled(Style::Dim, &line), width = TEXT_COLUMN + 2));
        }
        self.write(&block);
    }

    /// A table; columns whose cells are all numbers stand to the right.
    pub fn table(&self, header: &[&str], rows: &[Vec<String>]) {
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let column = |column: usize, title: &str| {
            let width = rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or_default();
            let is_number =
                |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || ".,".contains(c));
            (width.max(title.chars().count()), rows.iter().all(|row| is_number(&cell(row, column))))
        };
        let columns: Vec<(usize, bool)> = header.iter().enumerate().map(|(n, title)| column(n, title)).collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&columns).map(|(cell, (width, right))| {
                let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
                if *right { format!("{fill}{cell}") } else { format!("{cell}{fill}") }
            });
            format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        let titles: Vec<String> = header.iter().map(|title| (*title).to_owned()).collect();
        let mut block = format!("{}\n", self.styled(Style::Dim, &line(&titles)));
        for row in rows {
            block.push_str(&line(row));
            block.push('\n');
        }
        self.write(&block);
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.0.colours && style != Style::Plain {
            format!("\x1b[{}m{text}\x1b[0m", style.code())
        } else {
            text.to_owned()
        }
    }

    fn write(&self, block: &str) {
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever closed the other end reads no more; the work goes on.
        let _ = out.write_all(block.as_bytes()).and_then(|()| out.flush());
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

/// Breaks a line at spaces, so that each part has at most so many characters; a longer word stays whole.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("0123456789 a", 4), ["0123456789", "a"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
