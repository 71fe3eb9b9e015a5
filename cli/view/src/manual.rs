//! The manual: `docs/cli.md`, made from the command line's own definition, and what the manual page says beside it.

use clap::{Command, CommandFactory};

use crate::arguments::Arguments;
use crate::exit;

/// The command line's definition.
#[must_use]
pub fn command() -> Command {
    Arguments::command().after_long_help(exit_codes())
}

/// The exit codes, a line each.
#[must_use]
pub fn exit_codes() -> String {
    let codes = exit::CODES.iter().map(|(code, what)| format!("{code:>5}  {what}"));
    format!("Exit codes:\n{}", codes.collect::<Vec<_>>().join("\n"))
}

/// All of it as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut command = command();
    command.build();
    let mut text = String::new();
    section(&mut text, &command, "");
    text.push_str("## Exit codes\n\n| code | what it means |\n| --- | --- |\n");
    for (code, what) in exit::CODES {
        text.push_str(&format!("| {code} | {what} |\n"));
    }
    text
}

fn section(text: &mut String, command: &Command, path: &str) {
    let name = format!("{path}{}", command.get_name());
    if path.is_empty() {
        text.push_str("## For all commands\n\n");
    } else {
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").to_owned();
        text.push_str(&format!("## {name}\n\n"));
        text.push_str(&format!("{}.\n\n", command.get_about().map(ToString::to_string).unwrap_or_default()));
        text.push_str(&format!("```text\n{usage}\n```\n\n"));
    }
    let is_own = |argument: &&clap::Arg| {
        let id = argument.get_id().as_str();
        !["help", "version"].contains(&id) && (path.is_empty() || !argument.is_global_set())
    };
    let rows: Vec<String> = command.get_arguments().filter(is_own).map(row).collect();
    if !rows.is_empty() {
        text.push_str(&format!("| argument | what it does |\n| --- | --- |\n{}\n", rows.concat()));
    }
    if let Some(more) = command.get_after_help() {
        text.push_str(&format!("{}\n\n", more.to_string().trim()));
    }
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        section(text, sub, &format!("{name} "));
    }
}

fn row(argument: &clap::Arg) -> String {
    let value = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let takes = argument.get_action().takes_values();
    let value = if takes && !argument.is_positional() { format!(" {}", value.join(" ")) } else { String::new() };
    let name = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("`-{short}`, `--{long}{value}`"),
        (Some(long), None) => format!("`--{long}{value}`"),
        (None, _) => format!("`{}`", argument.get_id().as_str().to_uppercase()),
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let choices = if choices.is_empty() || !takes { String::new() } else { format!(": {}", choices.join(", ")) };
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let default =
        if defaults.is_empty() || !takes { String::new() } else { format!(" (default {})", defaults.join(" ")) };
    format!("| {name} | {help}{choices}{default} |\n")
}
