//! Every command in the documents is right: a target of the Makefile, a call that its function reads, something that a test
//! runs; and where nothing here runs it, it says what it needs or takes.

use std::path::{Path, PathBuf};

use domain::event::{self, Event};
use domain::request::Function;
use serde_json::Value;

use crate::config::{name, with};

/// What the end-to-end test of `local up` runs in a shell.
const RUN_BY_A_TEST: &str = include_str!("../../../../local/tests/end_to_end/whole.rs");
/// What `make test` does.
const MAKE_TEST: &str = include_str!("../../../../.ci/test");
const MAKEFILE: &str = include_str!("../../../../Makefile");
/// How a command says that nothing here runs it.
const MARKS: [&str; 4] = ["needs AWS", "needs the internet", "needs zip", "takes "];
/// That test begins with it, by the same file in another folder.
const SOURCED: &str = ". target/local/env";

/// What a test runs under another name: the command, the file of the test, and the words by which it does.
const RUN_OTHERWISE: [(&str, &str, &str); 9] = [
    ("make test", MAKE_TEST, "All checks and tests, called by `make test`"),
    ("make help", MAKEFILE, "help: ## what there is"),
    ("make haproxy", MAKEFILE, "test: $(VENV)/.stamp haproxy"),
    ("make bootstraps", MAKEFILE, "build: bootstraps"),
    ("make permissions", MAKE_TEST, "python -m permissions"),
    ("make local", RUN_BY_A_TEST, ".arg(\"up\")"),
    ("make demo", include_str!("../../../../local/tests/end_to_end/stories.rs"), "story.not_deployed("),
    ("sam build", MAKEFILE, "packages: build $(VENV)/sam/.stamp"),
    (
        "aws configure export-credentials",
        include_str!("../../../../local/tests/end_to_end/cli/obstacles.rs"),
        "configure export-credentials --format process",
    ),
];
/// What no test runs, and the mark that it carries where it stands as a command. Tests run smaller runs of those that take long.
const NOT_RUN: [(&str, &str); 14] = [
    ("make deploy", "needs AWS"),
    ("sam deploy", "needs AWS"),
    ("aws sqs start-message-move-task", "needs AWS"),
    ("rustup target add aarch64-unknown-linux-gnu", "needs the internet"),
    ("make audit", "needs the internet"),
    ("make arm64", "takes "),
    ("make bench", "takes "),
    ("make clean", "takes "),
    ("make faults", "takes "),
    ("make fuzz", "takes "),
    ("make model", "takes "),
    ("make rates", "takes "),
    ("make reproducible", "takes "),
    ("make zero-loss", "takes "),
];
/// Of the Makefile's targets, what makes a page's picture anew.
const PICTURES: [&str; 1] = ["make recording"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents: those at the top, in `docs/`, and of each example.
fn pages() -> Vec<(String, String)> {
    let listed = |folder: PathBuf| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let examples = listed(root().join("examples")).map(|example| example.join("README.md"));
    let mut pages: Vec<PathBuf> = listed(root())
        .chain(listed(root().join("docs")))
        .chain(examples)
        .filter(|path| path.extension().is_some_and(|extension| extension == "md") && path.exists())
        .collect();
    pages.sort();
    let read = |path: &PathBuf| {
        (path.strip_prefix(root()).unwrap().display().to_string(), std::fs::read_to_string(path).unwrap())
    };
    pages.iter().map(read).collect()
}

/// The blocks of a page: the language of a fence, empty for an indented one, and the lines without their indentation.
fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut blocks: Vec<(String, Vec<String>)> = Vec::new();
    let (mut fence, mut before) = (None::<usize>, String::new());
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match (fence, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => fence = None,
            (None, Some(language)) => {
                fence = Some(indent);
                blocks.push((format!("```{language}"), Vec::new()));
            }
            (Some(from), None) => {
                blocks.last_mut().unwrap().1.push(line.get(from..).unwrap_or_default().to_owned());
            }
            (None, None) if indent >= 4 && !line.trim_start().starts_with("- ") => {
                let goes_on = before.starts_with("    ");
                let in_block = blocks.last().is_some_and(|(language, _)| language.is_empty());
                if before.trim().is_empty() {
                    blocks.push((String::new(), vec![line.trim().to_owned()]));
                } else if goes_on && in_block {
                    blocks.last_mut().unwrap().1.push(line.trim().to_owned());
                }
            }
            (None, None) => {}
        }
        line.clone_into(&mut before);
    }
    blocks
}

/// The commands of a page: lines that go on after a backslash are one.
fn commands(text: &str) -> Vec<String> {
    let is_shell = |language: &str| ["", "```sh", "```bash", "```console"].contains(&language);
    let mut commands = Vec::new();
    for (_, lines) in blocks(text).into_iter().filter(|(language, _)| is_shell(language)) {
        let mut whole = String::new();
        for line in lines {
            whole.push_str(line.trim());
            if let Some(so_far) = whole.strip_suffix('\\') {
                whole = so_far.to_owned();
                continue;
            }
            let command = whole.strip_prefix("$ ").unwrap_or(&whole).trim().to_owned();
            if !command.is_empty() && !command.starts_with('#') {
                commands.push(command);
            }
            whole.clear();
        }
    }
    commands
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A command and its comment.
fn parts(command: &str) -> (&str, &str) {
    command.rsplit_once(" #").map_or((command, ""), |(command, comment)| (command, comment.trim()))
}

/// `make <target>`, whatever variables and options stand beside it.
fn target(command: &str) -> Option<String> {
    let rest = command.strip_prefix("make ")?;
    let target = rest.split_whitespace().find(|word| !word.contains('='))?;
    Some(format!("make {target}"))
}

/// Whether `make test` calls a target, or a test runs the same otherwise.
fn is_run(make: &str) -> bool {
    let target = make.trim_start_matches("make ");
    let step = format!(" make --no-print-directory {target}");
    MAKE_TEST.lines().any(|line| line.ends_with(&step)) || RUN_OTHERWISE.iter().any(|(run, ..)| *run == make)
}

/// Why a command is not right.
fn fault(command: &str) -> Option<String> {
    let (command, comment) = parts(command);
    let marked = MARKS.iter().find(|mark| comment.starts_with(*mark));
    if command.trim_start().starts_with("make ") {
        let make = target(command.trim_start())?;
        let mark = NOT_RUN.iter().find(|(not_run, _)| *not_run == make).map(|(_, mark)| mark);
        return match mark {
            Some(mark) if marked != Some(mark) => {
                Some(format!("no test runs it, and its comment does not begin with “{mark}”"))
            }
            None if !is_run(&make) => Some("no target of the Makefile that a test runs".to_owned()),
            Some(_) | None => None,
        };
    }
    if command.starts_with("aws lambda invoke") {
        let function = [Function::Provision, Function::Register, Function::Promote, Function::Teardown]
            .into_iter()
            .find(|function| command.contains(&format!("--function-name pointsman-{}", function.as_str())));
        let payload = command.split("--payload '").nth(1).and_then(|rest| rest.split('\'').next());
        let (Some(function), Some(payload)) = (function, payload) else {
            return Some("no function or no payload".to_owned());
        };
        // An id in angle brackets stands for one.
        let payload = payload.replace("<execution id>", "8f3a");
        let read = serde_json::from_str(&payload).map_err(|error| error.to_string());
        match read.and_then(|payload: Value| event::read(&payload, function)) {
            Ok(Event::Direct(Ok(_))) => {}
            other => return Some(format!("{other:?}")),
        }
    }
    let is_run = command == SOURCED || words(RUN_BY_A_TEST).contains(&words(command));
    (!is_run && marked.is_none()).then(|| format!("neither run by a test nor marked, as by “# {}”", MARKS[0]))
}

#[test]
fn every_command_is_run_by_a_test_or_says_what_it_needs() {
    let mut faults = Vec::new();
    let mut count = 0;
    for (page, text) in pages() {
        for command in commands(&text) {
            count += 1;
            faults.extend(fault(&command).map(|why| format!("{page}: {command}\n    {why}")));
        }
    }
    assert!(count > 30, "only {count} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The targets of the Makefile that people call.
fn targets() -> Vec<String> {
    let line = MAKEFILE.lines().find(|line| line.starts_with(".PHONY: help")).unwrap();
    line.split_whitespace().skip(1).map(|target| format!("make {target}")).collect()
}

#[test]
fn each_target_of_the_makefile_is_run_by_a_test_or_known_not_to_be() {
    for (command, test, words) in RUN_OTHERWISE {
        assert!(test.contains(words), "{command}: “{words}”");
    }
    let known = |target: &String| {
        is_run(target) || NOT_RUN.iter().any(|(make, _)| make == target) || PICTURES.contains(&target.as_str())
    };
    let unknown: Vec<String> = targets().into_iter().filter(|target| !known(target)).collect();
    assert_eq!(unknown, Vec::<String>::new());
    let both: Vec<_> = NOT_RUN.iter().filter(|(make, _)| is_run(make)).collect();
    assert!(both.is_empty(), "{both:?}");
}

/// What stands between backticks in a page's text and begins with this word.
fn spans(text: &str, program: &str) -> Vec<String> {
    let (_, text) = text.split('\n').fold((false, String::new()), |(fenced, kept), line| {
        let fence = line.trim_start().starts_with("```");
        (fenced != fence, if fenced || fence { kept } else { kept + " " + line })
    });
    let spans = text.split('`').skip(1).step_by(2);
    spans.filter(|span| span.split(' ').next() == Some(program)).map(str::to_owned).collect()
}

#[test]
fn every_make_target_that_is_named_is_there() {
    let mut missing = Vec::new();
    for (page, text) in pages() {
        let named = spans(&text, "make").into_iter().filter(|span| !span.contains('<') || span.contains('='));
        missing.extend(
            named
                .filter_map(|span| target(&span))
                .filter(|make| !targets().contains(make))
                .map(|make| format!("{page}: {make}")),
        );
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_command_of_other_tools_that_a_sentence_names_is_run_by_a_test_or_known_not_to_be() {
    let mut unknown = Vec::new();
    let mut count = 0;
    for (page, text) in pages() {
        for span in ["aws", "sam", "rustup"].into_iter().flat_map(|program| spans(&text, program)) {
            count += 1;
            // Up to its options and whatever stands for a value.
            let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            let named: Vec<&str> = span.split(' ').take_while(|word| plain(word) && !word.starts_with('-')).collect();
            let named = named.join(" ");
            let is_known = RUN_OTHERWISE.iter().any(|(run, ..)| *run == named)
                || NOT_RUN.iter().any(|(not_run, _)| *not_run == named)
                || words(RUN_BY_A_TEST).contains(&format!("{named} "));
            if !is_known {
                unknown.push(format!("{page}: {span}"));
            }
        }
    }
    assert!(count >= 8, "only {count} were found");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn every_piece_of_a_config_is_taken() {
    let mut count = 0;
    for (page, text) in pages() {
        for (_, lines) in blocks(&text).into_iter().filter(|(language, _)| language == "```json") {
            let text = lines.join("\n");
            let json: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{page}: {error}\n{text}"));
            let is_config = json.get("listener_arn").is_some() || json.get("traffic").is_some();
            if !is_config {
                continue;
            }
            count += 1;
            let text =
                text.replace("listener/app/…", "listener/app/main/1/2").replace(":…:", ":eu-west-1:123456789012:");
            let parsed =
                domain::config::Service::parse(&name("mobile-web"), &with(&serde_json::from_str(&text).unwrap()));
            assert!(parsed.problems.is_empty(), "{page}: {:?}", parsed.problems);
        }
    }
    assert!(count >= 2, "only {count} configs were found");
}
