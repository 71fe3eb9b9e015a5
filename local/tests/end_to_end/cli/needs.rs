//! Rights: what `plan --policy` prints and what docs/cli.md lists are enough, and nothing of it is too much.
//!
//! Judged by `permissions/`, as the functions' own roles are: by the calls that were made.

use std::path::Path;
use std::sync::Arc;

use gateway::{Rule, What};
use local::{Options, Stack};
use serde_json::{Value, json};

use super::{Said, command, run, run_command};
use crate::stage::{Person, SERVICE, Service, ask, pre_product, product, quick, refuses, stack_with};

/// What a function's process reads once in a while.
const REMEMBERED: [&str; 3] = ["DescribeListeners", "DescribeLoadBalancers", "GetParameter"];

/// A stack that writes down who calls what.
async fn stack_with_journal(folder: &Path) -> Stack {
    stack_with(Options { change: quick, journal: Some(folder.to_owned()), ..Options::scripted() }).await
}

/// The calls of these callers that were written down so far.
fn calls(folder: &Path, callers: &[&str]) -> Vec<Value> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let lines: Vec<Value> = files
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect();
    lines.into_iter().filter(|line| callers.contains(&line["caller"].as_str().unwrap())).collect()
}

/// Judges a policy by calls: what is denied to them, and what none of them uses.
async fn judged(policy: &Value, calls: &[Value]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (policy_file, calls_file) = (folder.path().join("policy.json"), folder.path().join("calls.jsonl"));
    std::fs::write(&policy_file, policy.to_string()).unwrap();
    std::fs::write(&calls_file, calls.iter().map(|call| format!("{call}\n")).collect::<String>()).unwrap();
    let options = Options::new();
    let mut python = tokio::process::Command::new(options.venv.join("bin/python"));
    python.args(["-m", "permissions.policy"]).arg(policy_file).arg(calls_file).current_dir(&options.repository);
    let said = Said::of(python.output().await.unwrap());
    format!("{}{}", said.out, said.err)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_a_plan_is_enough_for_its_call_and_nothing_of_it_is_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack_with_journal(folder.path()).await;
    let pool = json!(stack.account().elastic_ips);
    let service = Service::with(&stack, "judged", 3, |config| config["elastic_ips"] = pool).await;
    let mut faults = String::new();
    // The way back, and what is rolled back, finished and removed, stand as their call finds them.
    for (verb, release) in [
        ("provision", "r1"),
        ("register", "r1"),
        ("promote", "r1"),
        ("provision", "r2"),
        ("register", "r2"),
        ("promote", "r2"),
        ("rollback", "r2"),
        ("provision", "r3"),
        ("register", "r3"),
        ("promote", "r3"),
        ("finish", "r3"),
        ("remove", "r3"),
    ] {
        let plan = run(&stack, &["plan", verb, &service.name, release, "--policy", "--json"]).await;
        assert_eq!(plan.code, 0, "{verb} {release}: {}{}", plan.out, plan.err);
        let policy = plan.json()["policy"].clone();
        let function = match verb {
            "rollback" | "finish" | "remove" => "TEARDOWN",
            function => &function.to_uppercase(),
        };
        let before = calls(folder.path(), &[function]).len();
        service.done(verb, release).await;
        let mut all = calls(folder.path(), &[function]);
        let mut made = all.split_off(before);
        // What a warm process remembers it does not ask for again.
        made.extend(all.into_iter().filter(|call| REMEMBERED.contains(&call["action"].as_str().unwrap())));
        for fault in judged(&policy, &made).await.lines() {
            faults += &format!("{verb} {release}: {fault}\n");
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[tokio::test]
async fn where_the_role_of_the_servers_is_not_seen_the_policy_says_that_it_is_wider() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack_with_journal(folder.path()).await;
    let service = Service::new(&stack, "unseen", 3).await;
    let plan = ["plan", "provision", &service.name, "r1", "--policy"];
    let said = run(&stack, &plan).await;
    let role = format!("role/servers/{}", stack.account().instance_profile);
    assert!(!said.out.contains(":role/*"), "{}", said.out);
    said.ended(0, &[&role]);
    stack.gateway().faults().add(Rule::new(What::AccessDenied).caller("TERMINAL").service("iam"));
    let words = [":role/*", "iam:PassRole stands on every role", "iam:GetInstanceProfile"];
    run(&stack, &plan).await.ended(0, &words);
    run(&stack, &[&plan[..], &["--json"]].concat()).await.ended(0, &words);
}

#[tokio::test]
async fn a_policy_for_scripts_says_why_its_plan_does_not_end_well() {
    let stack = stack_with(Options { change: quick, ..Options::scripted() }).await;
    product(&stack, SERVICE, "r1").await;
    let plan = ["plan", "rollback", SERVICE, "--policy", "--json"];
    let said = run(&stack, &plan).await;
    said.ended(3, &["cannot be rolled back"]);
    let line = said.json();
    assert_eq!((&line["end"], &line["held"]), (&json!("refused"), &Value::Null), "{line:#}");
    assert!(line["policy"]["Statement"].is_array() && line["to_call"]["Statement"].is_array(), "{line:#}");

    pre_product(&stack, SERVICE, "r2").await;
    run(&stack, &["hold", SERVICE, "--reason", "it moves"]).await.ended(0, &["held by"]);
    let plan = ["plan", "promote", SERVICE, "--policy"];
    run(&stack, &plan).await.ended(6, &["mobile-web is held by", "it moves"]);
    let said = run(&stack, &[&plan[..], &["--json"]].concat()).await;
    assert_eq!((said.code, &said.json()["held"]["why"]), (6, &json!("it moves")), "{}", said.out);
}

/// The policies of docs/cli.md, by their names.
fn documented(names: &[&str]) -> Value {
    let page = std::fs::read_to_string(Options::new().repository.join("docs/cli.md")).unwrap();
    let mut all = Vec::new();
    for name in names {
        let (_, rest) =
            page.split_once(&format!("<!-- policy: {name} -->\n```json\n")).unwrap_or_else(|| panic!("{name}"));
        let (text, _) = rest.split_once("```").unwrap();
        let policy: Value = serde_json::from_str(text).unwrap();
        all.extend(policy["Statement"].as_array().unwrap().clone());
    }
    json!({"Version": "2012-10-17", "Statement": all})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_says_that_a_person_needs_is_what_a_persons_calls_need() {
    let folder = tempfile::tempdir().unwrap();
    let stack = stack_with_journal(folder.path()).await;
    product(&stack, SERVICE, "r1").await;
    pre_product(&stack, SERVICE, "r2").await;
    // Who approved it is asked of what may be an execution.
    let execution = "8f3a7c1e-2b4d-4e6f-8a90-b1c2d3e4f506";
    refuses(&stack, "promote", &ask(SERVICE, execution), &["QA did not see release"]).await;
    stack.put_parameter("/pointsman/image", &stack.account().ami).await.unwrap();
    Service::new(&stack, "other", 3).await.pre_product("r1").await;
    let pool = json!(stack.account().elastic_ips);
    Service::with(&stack, "other", 3, |config| {
        config["alarms"] = json!(["other-5xx"]);
        config["elastic_ips"] = pool;
        config["ready_when"] = json!("ssm_online");
        config["ami"] = json!("resolve:ssm:/pointsman/image");
    })
    .await;
    Service::with(&stack, "public", 4, |config| {
        config["ami"] = json!("resolve:ssm:/aws/service/ami-amazon-linux-latest/amzn2-ami-hvm-x86_64-gp2");
    })
    .await;
    let (person, account) = (Person(&stack), stack.account());
    let group = person.make_group("old-web").await;
    let server = person.launch().await;
    person.elb("RegisterTargets", &[("TargetGroupArn", &group), ("Targets.member.1.Id", &server)]).await;
    let rule = person.make_rule(&account.listener_arn, 440, "old.example.com", &[(&group, 1)]).await;

    // moto has no agents.
    let none = |_: &gateway::Request, _| gateway::Response::json(&json!({"InstanceInformationList": []}));
    let no_agents = Rule::new(What::Alter(Arc::new(none))).action("DescribeInstanceInformation");
    stack.gateway().faults().add(no_agents);
    // Whose calls carry a session's token, as a function's do, is written down.
    let made = async |lines: &[&[&str]]| {
        let before = calls(folder.path(), &["TERMINAL"]).len();
        for line in lines {
            let mut command = command(&stack, line);
            command.env("AWS_SESSION_TOKEN", "a-session");
            let said = run_command(command).await;
            assert!([0, 3].contains(&said.code), "{line:?}: {}{}", said.out, said.err);
        }
        calls(folder.path(), &["TERMINAL"]).split_off(before)
    };
    let mut looks = made(&[
        &["status"],
        &["status", SERVICE],
        &["plan", "promote", SERVICE],
        &["plan", "provision", SERVICE, "r3", "--policy"],
        &["plan", "provision", "other", "r1"],
        &["plan", "provision", SERVICE, "r2"],
        &["plan", "provision", "public", "r1"],
        &["init", "old", "--rule", &rule],
        &["validate"],
    ])
    .await;
    // Asks, without calling, whether one may: that takes what calling takes.
    let asked: Vec<Value> = looks.extract_if(.., |call| call["action"] == "Invoke").collect();
    assert!(!asked.is_empty(), "validate does not ask whether one may call");
    let faults = judged(&documented(&["look"]), &looks).await;
    assert!(faults.is_empty(), "look: {faults}");

    for (name, lines, asked) in [
        ("act", &[&["promote", SERVICE, "--yes"][..], &["rollback", SERVICE, "--yes"]][..], &asked[..]),
        ("hold", &[&["hold", SERVICE, "--reason", "x"], &["release-hold", SERVICE]], &[]),
        ("history", &[&["history", SERVICE, "--pipeline", SERVICE]], &[]),
    ] {
        let mut all = [&looks, asked].concat();
        all.extend(made(lines).await);
        let faults = judged(&documented(&["look", name]), &all).await;
        assert!(faults.is_empty(), "{name}: {faults}");
    }
}
