//! The page about the tool, the manual page and the help say the same.

use view::{exit, manual};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
const BEGINS: &str = "<!-- made from the command line's definition: UPDATE_DOCS=1 cargo test -p view docs -->\n";
const ENDS: &str = "<!-- end -->\n";

#[test]
fn the_page_says_what_the_help_says() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEGINS).unwrap();
    let (there, after) = rest.split_once(ENDS).unwrap();
    let wanted = format!("\n{}\n", manual::markdown());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, format!("{before}{BEGINS}{wanted}{ENDS}{after}")).unwrap();
    } else {
        assert!(there == wanted, "docs/cli.md is not what the tool says: UPDATE_DOCS=1 cargo test -p view docs");
    }
}

/// The manual page as it is read: without roff's marks.
fn read() -> String {
    let marks = [("\\-", "-"), ("\\*(Aq", "'"), ("\\fB", ""), ("\\fR", ""), ("\\[u2026]", "…")];
    marks.iter().fold(manual::page(), |page, (mark, text)| page.replace(mark, text))
}

#[test]
fn the_manual_page_says_what_the_help_says() {
    let page = read();
    let mut tool = manual::command();
    tool.build();
    let commands: Vec<_> = tool.get_subcommands().filter(|command| command.get_name() != "help").collect();
    let mut said: Vec<String> = exit::CODES.iter().map(|(_, what)| (*what).to_owned()).collect();
    for command in commands.iter().copied().chain([&tool]) {
        said.push(command.get_about().unwrap().to_string());
        for argument in
            command.get_arguments().filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        {
            said.extend(argument.get_long().map(|long| format!("--{long}")));
            said.push(argument.get_help().unwrap().to_string());
        }
    }
    let missing: Vec<&String> = said.iter().filter(|words| !page.contains(&words.replace('`', ""))).collect();
    assert!(said.len() > 80 && missing.is_empty(), "{missing:#?}");
    assert_eq!(page.matches("\n.SS ").count(), commands.len());
    assert!(manual::page().is_ascii(), "not every roff reads UTF-8");
}

#[test]
fn a_command_on_the_manual_page_reads_like_this() {
    let page = read();
    let hold = page.split("\n.SS ").find(|section| section.starts_with("\"pointsman hold")).unwrap();
    insta::assert_snapshot!(hold, @r#"
    "pointsman hold [OPTIONS] --reason <TEXT> <SERVICE>"
    Keeps everybody from changing a service: every call waits, and says who holds it and why.
    .PP
    Alarms and rejected approvals wait too: they are tried for a few minutes, and then lie in the dead-letter queue. Your own hold is made longer or shorter so. Somebody else's (another user, or another session of a role) is not taken over: release-hold ends it. The reason has at most 200 characters.
    .TP
    SERVICE
    The service
    .TP
    --reason TEXT
    Why, for whoever is kept waiting
    .TP
    --for TIME
    For how long: 30m, 2h, 1d (default 1h)
    "#);
}
