//! The command-line tool, its real binary: what people see, what it changes, and each way in which it cannot go on.

mod account;
mod adopt;
mod needs;
mod obstacles;
mod sources;
mod waits;

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use gateway::{Rule, What};
use local::revision::Changes;
use local::stack::Approval;
use local::standing::Tagged;
use local::xml;
use local::{Options, Stack};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::{
    SERVICE, Service, ask, done, look, pre_product, product, quick, reason, refuses, says, served, signal, stack,
    stack_with, status, unchanged_since,
};

/// Nothing that is run here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tool: where `make build` leaves it beside the functions, unless POINTSMAN_CLI says where it is.
fn path(stack: &Stack) -> PathBuf {
    let beside = || stack.options().bootstraps.join("pointsman/bootstrap");
    let path = std::env::var_os("POINTSMAN_CLI").map_or_else(beside, PathBuf::from);
    assert!(path.exists(), "{} is not there: make build makes it", path.display());
    path
}

fn command(stack: &Stack, arguments: &[&str]) -> Command {
    let mut command = Command::new(path(stack));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command.envs([
        ("AWS_ENDPOINT_URL", stack.gateway().url()),
        ("AWS_REGION", local::account::REGION),
        ("AWS_ACCESS_KEY_ID", "TERMINAL"),
        ("AWS_SECRET_ACCESS_KEY", "stand-in"),
        // No files of whoever runs the test.
        ("HOME", "/nonexistent"),
        ("PATH", "/usr/bin:/bin"),
    ]);
    command
}

/// What a run said, and how it ended.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It ended with this code and said these words, to whichever output.
    fn ended(&self, code: i32, words: &[&str]) {
        let all = format!("{}{}", self.out, self.err);
        assert_eq!(self.code, code, "{all}");
        says(&all, words);
        assert!(!all.contains('\u{1b}'), "no colours where there is no terminal: {all}");
        assert!(!all.contains("panicked"), "{all}");
    }

    fn json(&self) -> Value {
        let last = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

async fn run_command(mut command: Command) -> Said {
    Said::of(tokio::time::timeout(PATIENCE, command.output()).await.expect("the tool hangs").unwrap())
}

async fn run(stack: &Stack, arguments: &[&str]) -> Said {
    run_command(command(stack, arguments)).await
}

/// Presses Ctrl-C; answers the code that it ends with.
async fn ctrl_c(child: &mut Child) -> Option<i32> {
    signal(child, "-INT").await;
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("Ctrl-C does not end it").unwrap().code()
}

#[tokio::test]
async fn a_release_goes_there_and_back_by_hand() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;

    let before = stack.gateway().record().mark();
    run(&stack, &["status", SERVICE]).await.ended(
        0,
        &[SERVICE, "product", "r1", "pre-product", "r2", "nothing to go back to", "not product's (0.0416 USD)"],
    );
    run(&stack, &["plan", "promote", SERVICE]).await.ended(0, &["promote r2 of mobile-web", "r2 100 %"]);
    unchanged_since(&stack, before);

    let promoted = run(&stack, &["promote", SERVICE, "--yes"]).await;
    promoted.ended(0, &["promote r2 of mobile-web", "r2 100 %", "done:", "`pointsman rollback mobile-web` goes back"]);
    assert_eq!(served(&stack, SERVICE).await, ["r2"]);
    run(&stack, &["promote", SERVICE, "r2", "--yes"]).await.ended(0, &["Nothing is to be done"]);
    let status = run(&stack, &["status", SERVICE, "--json"]).await.json();
    assert_eq!(status["rollback"], json!({"to": "r1", "ready": true, "seconds": null}), "{status:#}");

    let before = stack.gateway().record().mark();
    for command in [&["rollback", SERVICE, "r1", "--yes"][..], &["plan", "rollback", SERVICE, "r1"]] {
        run(&stack, command).await.ended(3, &["r1 is the way back", "To go back to it"]);
    }
    unchanged_since(&stack, before);
    run(&stack, &["rollback", SERVICE, "--yes"]).await.ended(0, &["r1 100 %", "terminate", "done:"]);
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    let history = run(&stack, &["history", SERVICE, "--json"]).await.json();
    let r2 = history.as_array().unwrap().iter().find(|story| story["release"] == "r2").unwrap().clone();
    let steps: Vec<&str> =
        r2["steps"].as_array().unwrap().iter().map(|step| step["action"].as_str().unwrap()).collect();
    assert_eq!(steps, ["provision", "register", "promote", "rollback"], "{r2:#}");
    // A script says nothing of itself, the tool whose credentials it has.
    let by: Vec<&str> = r2["steps"].as_array().unwrap().iter().map(|step| step["by"].as_str().unwrap()).collect();
    assert_eq!(by[..2], ["somebody, by a direct call"; 2]);
    assert_eq!(by[2], by[3]);
    says(by[3], &[", as a direct call says"]);
}

#[tokio::test]
async fn a_release_that_another_call_rejected_has_its_row() {
    let stack = stack().await;
    pre_product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    run(&stack, &["history", SERVICE]).await.ended(0, &["r1\n", "rejected  done", "superseded by r2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_approved_a_release_stands_between_its_steps() {
    let stack = stack().await;
    let execution = stack.ship(SERVICE, "1", &Changes::default()).await.unwrap();
    stack.answer(SERVICE, &execution, "ShipIt", Approval::Approved, "it is good").await.unwrap();
    stack.answer(SERVICE, &execution, "KeepIt", Approval::Approved, "it stays").await.unwrap();
    // The line about a call's end comes after its answer: by now promote's is there.
    stack.over(SERVICE, &execution).await.unwrap();
    // What a script named, and was refused, is no execution, and hides nothing.
    refuses(&stack, "promote", &ask(SERVICE, "hotfix-1"), &["QA did not see release hotfix-1"]).await;
    let history = run(&stack, &["history", SERVICE]).await;
    assert!(!history.err.contains("could not be seen"), "{}", history.err);
    history.ended(0, &[&execution, "ShipIt approved by ", "(the pipeline mobile-web)"]);
    let place = |row: &str| history.out.find(row).unwrap_or_else(|| panic!("no {row} in {}", history.out));
    let places = ["ShipIt approved", "promote   done"].map(place);
    assert!(history.out.contains("register  done"), "{}", history.out);
    assert!(places.is_sorted(), "{}", history.out);
}

#[tokio::test]
async fn scripts_get_every_line_in_json() {
    let settles = |config: &mut Value| {
        quick(config);
        // Longer than a call waits by itself.
        config["settle_seconds"] = json!(8);
    };
    let stack = stack_with(Options { change: settles, ..Options::scripted() }).await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let plan = run(&stack, &["plan", "promote", SERVICE, "--json"]).await.json();
    let switch = &plan["steps"][0];
    assert_eq!((&switch["step"], &plan["held"], &plan["unseen"]), (&json!("ModifyRule"), &Value::Null, &json!([])));
    says(switch["resource"].as_str().unwrap(), &["arn:aws:elasticloadbalancing:", ":listener-rule/"]);
    let promoted = run(&stack, &["promote", SERVICE, "--yes", "--json"]).await;
    promoted.ended(0, &[]);
    let lines: Vec<Value> = promoted.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.first().unwrap()["end"], "done");
    assert_eq!(lines.last().unwrap()["status"], "done");
    let finished = run(&stack, &["finish", SERVICE, "--yes", "--json"]).await;
    let waits = |line: &Value| line["status"] == "waiting" && line["seconds"].is_i64();
    assert!(finished.out.lines().any(|line| waits(&serde_json::from_str(line).unwrap())), "{}", finished.out);
    let fault = run(&stack, &["status", "nobody", "--json"]).await;
    assert_eq!(fault.code, 3);
    assert_eq!((&fault.json()["status"], &fault.json()["code"]), (&json!("fault"), &json!(3)));
    says(fault.json()["reason"].as_str().unwrap(), &["nobody is not configured"]);
}

#[tokio::test]
async fn nothing_is_changed_without_a_yes() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    let before = stack.gateway().record().mark();
    run(&stack, &["promote", SERVICE]).await.ended(4, &["r2 100 %", "no terminal", "--yes"]);
    run(&stack, &["promote", SERVICE, "r1", "--yes"]).await.ended(0, &["Nothing is to be done"]);
    run(&stack, &["rollback", SERVICE, "r1", "--yes"]).await.ended(3, &["cannot be rolled back"]);
    unchanged_since(&stack, before);
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

#[tokio::test]
async fn a_removal_that_was_cut_off_is_asked_for_again_in_the_same_words() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let denied = What::error(403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    let denied = stack.gateway().faults().add(Rule::new(denied).caller("TEARDOWN").action("TerminateInstances"));
    run(&stack, &["remove", SERVICE, "--yes"]).await;
    assert_eq!(look(&stack).await.instances_of("r1").len(), 2);
    stack.gateway().faults().remove(denied);
    run(&stack, &["remove", SERVICE, "--yes"]).await.ended(0, &["is removed"]);
    run(&stack, &["remove", SERVICE, "--yes"]).await.ended(0, &["Nothing is to be done"]);
}

/// Begins it at a terminal of its own.
fn spawn_at_a_terminal(stack: &Stack, arguments: &[&str], to: &str) -> Child {
    let spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let tool = command(stack, arguments);
    let mut terminal = Command::new(stack.options().venv.join("bin/python"));
    let redirected = format!(r#"exec "$0" "$@" {to}"#);
    terminal.args(["-c", spawn, "sh", "-c", &redirected]);
    terminal.arg(tool.as_std().get_program()).args(tool.as_std().get_args());
    terminal.env_clear().envs(tool.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    terminal.env("TERM", "xterm");
    terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// Reads what it says until these words.
async fn until_it_says(child: &mut Child, words: &str) -> String {
    let (out, mut said) = (child.stdout.as_mut().unwrap(), Vec::new());
    let reads = async {
        while !String::from_utf8_lossy(&said).contains(words) {
            said.push(out.read_u8().await.expect("it ended"));
        }
    };
    tokio::time::timeout(PATIENCE, reads).await.expect("it does not say that");
    String::from_utf8(said).unwrap()
}

/// Types these lines, and waits for its end.
async fn typed_to(mut child: Child, typed: &str) -> Said {
    child.stdin.as_mut().unwrap().write_all(typed.as_bytes()).await.unwrap();
    Said::of(tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the tool hangs").unwrap())
}

/// Runs it at a terminal of its own, where somebody types these lines.
async fn at_a_terminal(stack: &Stack, arguments: &[&str], to: &str, typed: &str) -> Said {
    typed_to(spawn_at_a_terminal(stack, arguments, to), typed).await
}

#[tokio::test]
async fn at_a_terminal_it_asks() {
    let stack = stack().await;
    pre_product(&stack, SERVICE, "r1").await;
    let before = stack.gateway().record().mark();
    for no in ["n\n", "\n", "yet\n"] {
        let said = at_a_terminal(&stack, &["promote", SERVICE], "", no).await;
        assert_eq!(said.code, 4, "{}", said.out);
        says(&said.out, &["Do this: promote r1 of mobile-web? [y/N]", "Nothing was changed"]);
    }
    // Whoever answers has seen the plan.
    let said = at_a_terminal(&stack, &["promote", SERVICE], "> /dev/null", "y\n").await;
    assert_eq!(said.code, 4, "{}", said.out);
    says(&said.out, &["no terminal for the plan"]);
    unchanged_since(&stack, before);
    let said = at_a_terminal(&stack, &["promote", SERVICE], "", "y\n").await;
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(!said.out.contains("pointsman rollback"), "there is nothing to go back to: {}", said.out);
    says(&said.out, &["\u{1b}[32mdone:\u{1b}[0m release r1 is product"]);
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
}

#[tokio::test]
async fn a_service_is_removed_by_its_name_and_by_no_letter() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let before = stack.gateway().record().mark();
    for no in ["y\n", "yes\n", "mobile-we\n", "\n"] {
        let said = at_a_terminal(&stack, &["remove", SERVICE], "", no).await;
        assert_eq!(said.code, 4, "{no}: {}", said.out);
        says(&said.out, &["Remove the whole service mobile-web", "Type mobile-web if so:", "Nothing was changed"]);
    }
    unchanged_since(&stack, before);
    let said = at_a_terminal(&stack, &["remove", SERVICE], "", "mobile-web\n").await;
    assert_eq!(said.code, 0, "{}", said.out);
    says(&said.out, &["service mobile-web is removed"]);
}

#[tokio::test]
async fn who_watches_sees_it_again_until_ctrl_c() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let mut command = command(&stack, &["status", SERVICE, "--watch", "--every", "1s"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut troubles = BufReader::new(child.stderr.take().unwrap()).lines();
    let twice = async {
        let mut shown = 0;
        while shown < 2 {
            shown += usize::from(lines.next_line().await.unwrap().expect("it ended").contains("product      r1"));
        }
    };
    tokio::time::timeout(PATIENCE, twice).await.expect("it is shown once alone");
    // What does not last ends nothing.
    let throttled = stack.gateway().faults().add(Rule::new(What::Throttle).caller("TERMINAL").action("DescribeRules"));
    let again = async {
        while !troubles.next_line().await.unwrap().expect("it ended").contains("looked at again") {}
        stack.gateway().faults().remove(throttled);
        while !lines.next_line().await.unwrap().expect("it ended").contains("product      r1") {}
    };
    tokio::time::timeout(PATIENCE, again).await.expect("it is shown no more");
    let ended = ctrl_c(&mut child).await;
    assert_eq!(ended, Some(130));
}

#[tokio::test]
async fn a_screen_is_drawn_anew_without_colours_too() {
    let stack = stack().await;
    let mut child = spawn_at_a_terminal(&stack, &["status", SERVICE, "--watch", "--color", "never"], "");
    until_it_says(&mut child, "\u{1b}[H\u{1b}[2J").await;
    let shown = until_it_says(&mut child, "Nothing of it is there yet").await;
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[tokio::test]
async fn the_first_line_comes_before_anything_is_looked_at() {
    let stack = stack().await;
    stack.gateway().faults().add(Rule::new(What::Delay(PATIENCE)).caller("TERMINAL").action("DescribeRules"));
    for arguments in [&["status"][..], &["status", SERVICE]] {
        let mut child = command(&stack, arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = tokio::time::timeout(PATIENCE / 2, lines.next_line()).await.expect("it says nothing").unwrap();
        says(&first.unwrap(), &[SERVICE]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_service_hides_none_of_the_others() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let bad = Service::with(&stack, "another", 2, |config| {
        config["listener_arn"] = json!("arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/gone/11/22");
    })
    .await;
    let all = run(&stack, &["status"]).await;
    assert!(all.code != 0, "{}", all.out);
    says(&all.out, &[&bad.name, "gone", "mobile-web", "product      r1"]);
    let denied = Rule::new(What::AccessDenied).caller("TERMINAL").action("DescribeRules").times(1);
    stack.gateway().faults().add(denied);
    let all = run(&stack, &["status", "--json"]).await;
    assert!(all.code != 0, "{}", all.out);
    let shown: Vec<Value> = all.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(shown.len(), 2, "{shown:#?}");
    assert!(shown.iter().all(|line| line["service"].is_string()), "{shown:#?}");
}

#[tokio::test]
async fn who_holds_a_service_keeps_everybody_out() {
    let stack = stack().await;
    pre_product(&stack, SERVICE, "r1").await;
    run(&stack, &["hold", SERVICE, "--reason", "the database moves", "--for", "2h"])
        .await
        .ended(0, &["held by", "2 h"]);

    // Nobody takes it over, or makes it shorter, without a word.
    let bobs = key_of(&stack, "bob").await;
    let mut bob = command(&stack, &["hold", SERVICE, "--reason", "mine", "--for", "1m"]);
    bob.env("AWS_ACCESS_KEY_ID", &bobs);
    run_command(bob).await.ended(3, &["already: the database moves", "release-hold mobile-web"]);
    let mut bob = command(&stack, &["release-hold", SERVICE]);
    bob.env("AWS_ACCESS_KEY_ID", &bobs);
    run_command(bob).await.ended(4, &["held by", "the database moves", "no terminal", "--yes"]);
    run(&stack, &["hold", SERVICE, "--reason", "it still moves", "--for", "-1h"]).await.ended(2, &["-1h"]);
    run(&stack, &["hold", SERVICE, "--reason", "the database moves on", "--for", "3h"])
        .await
        .ended(0, &["3 h", "It was held until", "before: the database moves"]);

    let before = stack.gateway().record().mark();
    let answer = stack.call("promote", &ask(SERVICE, "r1")).await.unwrap();
    assert_eq!(status(&answer), "waiting", "{answer:#}");
    says(reason(&answer), &["the database moves", "held until"]);
    run(&stack, &["promote", SERVICE, "--yes"]).await.ended(6, &["is held by", "the database moves"]);
    run(&stack, &["status", SERVICE]).await.ended(0, &["held by", "the database moves"]);
    let plan = run(&stack, &["plan", "promote", SERVICE]).await;
    plan.ended(6, &["r1 100 %", "release r1 is product"]);
    assert!(plan.out.starts_with("mobile-web is held by "), "{}", plan.out);
    let plan = run(&stack, &["plan", "promote", SERVICE, "--json"]).await;
    assert_eq!((plan.code, &plan.json()["held"]["why"]), (6, &json!("the database moves on")));
    unchanged_since(&stack, before);

    run(&stack, &["release-hold", SERVICE]).await.ended(0, &["held no longer", "the database moves"]);
    run(&stack, &["release-hold", SERVICE]).await.ended(0, &["was not held"]);
    done(&stack, "promote", &ask(SERVICE, "r1")).await;
    assert_eq!(served(&stack, SERVICE).await, ["r1"]);
    // That it was held is history too.
    run(&stack, &["history", SERVICE]).await.ended(0, &["promote   held", "the database moves on", "promote   done"]);

    run(&stack, &["hold", SERVICE, "--reason", "it is looked at"]).await.ended(0, &["held by"]);
    let mut bob = command(&stack, &["release-hold", SERVICE, "--yes"]);
    bob.env("AWS_ACCESS_KEY_ID", &bobs);
    run_command(bob).await.ended(0, &["held no longer", "it is looked at"]);
}

/// The access key of a user of this name.
async fn key_of(stack: &Stack, name: &str) -> String {
    let name = [("UserName", name)];
    stack.moto().query("iam", "CreateUser", &name).await.unwrap();
    xml::first(&stack.moto().query("iam", "CreateAccessKey", &name).await.unwrap(), "AccessKeyId").unwrap()
}

#[tokio::test]
async fn a_hold_is_ended_as_it_was_shown_or_not_at_all() {
    let stack = stack().await;
    let bobs = key_of(&stack, "bob").await;
    let holds = async |reason: &str, time: &str| {
        let mut bob = command(&stack, &["hold", SERVICE, "--reason", reason, "--for", time]);
        bob.env("AWS_ACCESS_KEY_ID", &bobs);
        run_command(bob).await.ended(0, &["held by"]);
    };
    holds("the database moves", "1h").await;
    let mut child = spawn_at_a_terminal(&stack, &["release-hold", SERVICE], "");
    until_it_says(&mut child, "End that? [y/N]").await;
    holds("the database moves on", "3h").await;
    let said = typed_to(child, "y\n").await;
    assert_eq!(said.code, 3, "{}", said.out);
    says(&said.out, &["stands no more", "pointsman status mobile-web"]);
    run(&stack, &["status", SERVICE]).await.ended(0, &["held by", "the database moves on"]);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_it_quietly() {
    let stack = stack().await;
    product(&stack, SERVICE, "r1").await;
    let before = stack.gateway().record().mark();
    let commands =
        [&["completions", "bash"][..], &["status"], &["status", SERVICE, "--json"], &["rollback", SERVICE, "--yes"]];
    for arguments in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = command(&stack, arguments);
        command.stdout(writer).stderr(Stdio::piped());
        let ended = tokio::time::timeout(PATIENCE, command.spawn().unwrap().wait_with_output()).await;
        let said = Said::of(ended.unwrap().unwrap());
        assert_eq!((said.code, said.err.as_str()), (141, ""), "{arguments:?}");
    }
    // Nobody saw the plan.
    unchanged_since(&stack, before);
}

#[tokio::test]
async fn a_config_is_looked_at_by_itself_and_in_its_account() {
    let stack = stack().await;
    let good = Service::new(&stack, "good", 3).await;
    run(&stack, &["validate", &good.name]).await.ended(0, &["good: good"]);
    let bad = Service::with(&stack, "bad", 4, |config| {
        config["alarms"] = json!(["not-there"]);
        config["subnets"] = json!(["subnet-0123456789abcdef0"]);
        config["iam_instance_profile"] = json!("no-profile");
    })
    .await;
    run(&stack, &["validate", &bad.name]).await.ended(
        3,
        &["3 faults", "no alarm not-there", "subnet-0123456789abcdef0 does not exist", "no-profile does not exist"],
    );
    run(&stack, &["validate", "--env"]).await.ended(3, &["No service is configured there"]);

    for (denied, what) in [
        (Rule::new(What::AccessDenied).caller("TERMINAL").action("DescribeImages"), "DescribeImages"),
        (Rule::new(What::AccessDenied).caller("TERMINAL").service("iam"), "iam:GetInstanceProfile"),
    ] {
        let denied = stack.gateway().faults().add(denied);
        run(&stack, &["validate", &good.name]).await.ended(0, &["good: good", "warning", what]);
        run(&stack, &["validate", &bad.name]).await.ended(3, &["no alarm not-there", what]);
        stack.gateway().faults().remove(denied);
    }

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), r#"{"port": 0, "what": 1}"#).unwrap();
    let config = ["validate", SERVICE, "--offline", "--config", file.path().to_str().unwrap()];
    run(&stack, &config).await.ended(3, &["port", "what", "listener_arn"]);

    product(&stack, SERVICE, "r1").await;
    let rule = look(&stack).await.rules.into_iter().find(|rule| rule.tag("rule") == "product").unwrap();
    run(&stack, &["init", "other", "--rule", &rule.arn]).await.ended(3, &["the service mobile-web's already"]);
    let written = run(&stack, &["init", SERVICE, "--rule", &rule.arn]).await;
    written.ended(0, &["\"listener_arn\"", "adopted", "pointsman:service=mobile-web"]);
    std::fs::write(file.path(), &written.out).unwrap();
    let config = ["validate", SERVICE, "--offline", "--config", file.path().to_str().unwrap()];
    run(&stack, &config).await.ended(0, &["mobile-web: good"]);
}
