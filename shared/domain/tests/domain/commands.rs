//! Every command in the documents is right: a target of the Makefile, a call that its function reads, something that a test
//! runs, or it says that it needs AWS.

use std::path::{Path, PathBuf};

use domain::event::{self, Event};
use domain::request::Function;
use serde_json::Value;

use crate::config::{name, with};

/// What the end-to-end test of `local up` runs in a shell.
const RUN_BY_A_TEST: &str = include_str!("../../../../local/tests/end_to_end/whole.rs");
/// How a command says that nothing here can run it.
const NEEDS_AWS: &str = "# needs AWS";
/// What any shell has, and the tools that a step about AWS begins with.
const HARMLESS: [&str; 5] = [". target/local/env", "cd ", "git clone", "python3 -m venv", "rustup target add"];

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

/// Why a command is not right.
fn fault(command: &str, makefile: &str) -> Option<String> {
    if let Some(rest) = command.strip_prefix("make") {
        let target = rest.split_whitespace().find(|word| !word.contains('=')).filter(|word| !word.starts_with('#'));
        return match target {
            Some(target) if !makefile.contains(&format!("\n{target}:")) => Some("no target of the Makefile".to_owned()),
            _ => None,
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
        return match read.and_then(|payload: Value| event::read(&payload, function)) {
            Ok(Event::Direct(Ok(_))) => None,
            other => Some(format!("{other:?}")),
        };
    }
    let is_run = words(RUN_BY_A_TEST).contains(&words(command.split(" #").next().unwrap_or_default()));
    let is_harmless = HARMLESS.iter().any(|start| command.starts_with(start));
    (!is_run && !is_harmless && !command.ends_with(NEEDS_AWS))
        .then(|| format!("neither run by a test nor marked “{NEEDS_AWS}”"))
}

#[test]
fn every_command_is_run_by_a_test_or_says_that_it_needs_aws() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut faults = Vec::new();
    let mut count = 0;
    for (page, text) in pages() {
        for command in commands(&text) {
            count += 1;
            faults.extend(fault(&command, &makefile).map(|why| format!("{page}: {command}\n    {why}")));
        }
    }
    assert!(count > 10, "only {count} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_make_target_that_is_named_is_there() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let mut missing = Vec::new();
    for (page, text) in pages() {
        for named in text.split("`make ").skip(1) {
            let target =
                named.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')).next().unwrap();
            if !target.is_empty() && !makefile.contains(&format!("\n{target}:")) {
                missing.push(format!("{page}: make {target}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
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
