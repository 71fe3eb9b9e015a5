//! The manual: `docs/cli.md` and the manual page, both made from the command line's own definition.

use clap::{Command, CommandFactory};
use roff::{Roff, bold, roman};

use crate::arguments::Arguments;
use crate::exit;

/// Who does what.
const WHO_ACTS: &str = "What stands and what a call would do are worked out here, with your own rights: reading is all that is done. What is \
    to change, the deployed functions change. Each plan is shown before anything is changed, and asked about.";

/// Whose rights the tool has.
const CREDENTIALS: &str = "Credentials come from the environment, else from the profile (--profile, AWS_PROFILE): its keys, its \
    credential_process, or whatever `aws configure export-credentials` makes of it.";

/// The command line's definition.
#[must_use]
pub fn command() -> Command {
    Arguments::command()
        .after_help(format!("{CREDENTIALS} Exit codes: `pointsman man`, docs/cli.md."))
        .after_long_help(format!("{CREDENTIALS}\n\n{}", exit_codes()))
}

/// The exit codes, a line each.
fn exit_codes() -> String {
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
        text.push_str(&format!("## {name}\n\n"));
        text.push_str(&format!("{}.\n\n", about(command)));
        text.push_str(&format!("```text\n{}\n```\n\n", usage(command)));
    }
    let arguments = arguments(command, path.is_empty());
    if !arguments.is_empty() {
        text.push_str("| argument | what it does |\n| --- | --- |\n");
        for Argument { names, help } in arguments {
            text.push_str(&format!("| `{}` | {help} |\n", names.join("`, `")));
        }
        text.push('\n');
    }
    if let Some(more) = command.get_after_help() {
        text.push_str(&format!("{}\n\n", more.to_string().trim()));
    }
    for sub in subcommands(command) {
        section(text, sub, &format!("{name} "));
    }
}

/// The manual page, as `man` reads it.
#[must_use]
pub fn page() -> String {
    let mut command = command();
    command.build();
    let mut page = Roff::new();
    let version = format!("pointsman {}", command.get_version().unwrap_or_default());
    page.control("TH", ["pointsman", "1", "", &version, "Pointsman"]);
    page.control("SH", ["NAME"]).text([roman(format!("pointsman - {}", about(&command)))]);
    page.control("SH", ["SYNOPSIS"]).text([roman(usage(&command))]);
    page.control("SH", ["DESCRIPTION"]).text([roman(WHO_ACTS)]).control("PP", []).text([roman(CREDENTIALS)]);
    page.control("SH", ["OPTIONS"]);
    listed(&mut page, arguments(&command, true));
    page.control("SH", ["COMMANDS"]);
    for sub in subcommands(&command) {
        page.control("SS", [usage(sub).as_str()]).text([roman(format!("{}.", about(sub)))]);
        if let Some(more) = sub.get_after_help() {
            page.control("PP", []).text([roman(more.to_string().trim())]);
        }
        listed(&mut page, arguments(sub, false));
    }
    page.control("SH", ["EXIT STATUS"]);
    for (code, what) in exit::CODES {
        page.control("TP", []).text([bold(code.to_string())]).text([roman(what)]);
    }
    let ascii = |character: char| match character.is_ascii() {
        true => character.to_string(),
        // Not every roff reads UTF-8.
        false => format!("\\[u{:04X}]", u32::from(character)),
    };
    page.render().replace('`', "").chars().map(ascii).collect()
}

fn listed(page: &mut Roff, arguments: Vec<Argument>) {
    for Argument { names, help } in arguments {
        page.control("TP", []).text([bold(names.join(", "))]).text([roman(help)]);
    }
}

fn subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| sub.get_name() != "help")
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

fn usage(command: &Command) -> String {
    command.clone().render_usage().to_string().trim_start_matches("Usage: ").to_owned()
}

/// What is said of one argument.
struct Argument {
    /// `-w` and `--watch`; `--every TIME`; `SERVICE`.
    names: Vec<String>,
    /// Markdown.
    help: String,
}

/// A command's own arguments: those for all commands are the tool's.
fn arguments(command: &Command, is_tool: bool) -> Vec<Argument> {
    let is_own = |argument: &&clap::Arg| {
        !["help", "version"].contains(&argument.get_id().as_str()) && (is_tool || !argument.is_global_set())
    };
    command.get_arguments().filter(is_own).map(argument).collect()
}

fn argument(argument: &clap::Arg) -> Argument {
    let value = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let takes = argument.get_action().takes_values();
    let value = if takes && !argument.is_positional() { format!(" {}", value.join(" ")) } else { String::new() };
    let names = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => vec![format!("-{short}"), format!("--{long}{value}")],
        (Some(long), None) => vec![format!("--{long}{value}")],
        (None, _) => vec![argument.get_id().as_str().to_uppercase()],
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let choices: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    let choices = if choices.is_empty() || !takes { String::new() } else { format!(": {}", choices.join(", ")) };
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let default =
        if defaults.is_empty() || !takes { String::new() } else { format!(" (default {})", defaults.join(" ")) };
    let variable = argument.get_env().map(|name| format!("; else {}", name.to_string_lossy())).unwrap_or_default();
    Argument { names, help: format!("{help}{variable}{choices}{default}") }
}
