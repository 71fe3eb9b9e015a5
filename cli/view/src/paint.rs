//! Colours, few and always with words that say the same; who prints takes them away where there is no terminal.

use anstyle::{AnsiColor, Style};

/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What somebody has to look at.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What is on its way, or about to end.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// What is said beside.
pub const DIM: Style = Style::new().dimmed();
/// Names.
pub const BOLD: Style = Style::new().bold();

/// A text in a style.
#[must_use]
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
