//! The command line.

use clap::Parser;
use view::arguments::{Arguments, Command};
use view::manual;

#[test]
fn its_definition_is_sound() {
    manual::command().debug_assert();
}

#[test]
fn what_is_for_all_commands_may_stand_behind_them() {
    let line =
        ["pointsman", "hold", "mobile-web", "--reason", "moving", "--for", "1h30m", "--json", "--region", "eu-west-1"];
    let arguments = Arguments::try_parse_from(line).unwrap();
    assert!(arguments.shared.json);
    assert!(matches!(arguments.command, Command::Hold { time: 5400, .. }), "{arguments:?}");
}

#[test]
fn wrong_lines_are_told() {
    for (line, words) in [
        (&["pointsman", "hold", "mobile-web"][..], "--reason"),
        (&["pointsman", "hold", "x", "--reason", "y", "--for", "soon"], "no length of time"),
        (&["pointsman", "plan", "explode", "x"], "explode"),
        (&["pointsman", "status", "--template", "a", "--env"], "cannot be used with"),
        (&["pointsman", "status", "--every", "10s"], "--watch"),
        (&["pointsman", "promot", "x"], "promote"),
    ] {
        let error = Arguments::try_parse_from(line).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(view::exit::USAGE));
        assert!(error.to_string().contains(words), "{line:?}: {error}");
    }
}
