use serde_json::json;

use super::*;
use crate::template::Input;

fn rule() -> Rule {
    Rule {
        name: "rule".to_owned(),
        arn: "arn:aws:events:us-east-1:123456789012:rule/rule".to_owned(),
        enabled: true,
        trigger: Trigger::Schedule { expression: "rate(1 minute)".to_owned(), every: None },
        targets: Vec::new(),
        topics: Vec::new(),
    }
}

#[test]
fn a_target_gets_what_its_rule_says() {
    let event = json!({"id": "7", "time": "2026-01-01T00:00:00Z", "detail": {"state": "FAILED", "count": 2, "items": [{"a": "x\"y"}]}});
    let template = |paths: &[(&str, &str)], template: &str| Input::Template {
        paths: paths.iter().map(|(key, path)| ((*key).to_owned(), (*path).to_owned())).collect(),
        template: template.to_owned(),
    };
    let state =
        [("state", "$.detail.state"), ("count", "$.detail.count"), ("a", "$.detail.items[0].a"), ("none", "$.none")];
    for (input, want) in [
        (Input::Event, event.clone()),
        (Input::Path("$.detail.state".to_owned()), json!("FAILED")),
        (Input::Path("$".to_owned()), event.clone()),
        (Input::Constant(r#"{"action": "sweep"}"#.to_owned()), json!({"action": "sweep"})),
        (
            Input::Constant(r#"{"at": "<aws.scheduler.scheduled-time>"}"#.to_owned()),
            json!({"at": "2026-01-01T00:00:00Z"}),
        ),
        (
            template(&state, r#"{"s": <state>, "n": <count>, "t": "is <state>, <count>", "a": "<a>", "none": <none>}"#),
            json!({"s": "FAILED", "n": 2, "t": "is FAILED, 2", "a": "x\"y", "none": null}),
        ),
        (
            template(&[], r#"{"rule": "<aws.events.rule-name>", "event": <aws.events.event.json>}"#),
            json!({"rule": "rule", "event": event}),
        ),
        (template(&state, r#""<state>""#), json!("FAILED")),
    ] {
        assert_eq!(input::of(&input, &rule(), &event).unwrap(), want, "{input:?}");
    }
}

#[test]
fn an_input_that_cannot_be_made_says_why() {
    for (input, want) in [
        (Input::Path("$.nothing".to_owned()), "there is nothing at $.nothing in the event"),
        (Input::Path("detail".to_owned()), "detail is not a path: it starts with $"),
        (Input::Constant("{".to_owned()), "the Input is no JSON"),
        (
            Input::Template { paths: Vec::new(), template: "<a>".to_owned() },
            "the template has <a>, which no path stands for",
        ),
        (Input::Template { paths: Vec::new(), template: "<a".to_owned() }, "never closed"),
    ] {
        let problem = input::of(&input, &rule(), &json!({})).unwrap_err();
        assert!(problem.contains(want), "{problem}");
    }
}

#[test]
fn the_page_on_notifications_shows_what_the_rules_of_the_template_send() {
    const ENDS: &str = "<!-- end -->\n";
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let names = crate::cloudformation::Names::default().with("PipelineSteps", "both");
    let template = crate::Template::read(&root.join("template.yaml"), &names).unwrap();
    let event = |state: &str| {
        json!({
            "source": "aws.codepipeline",
            "detail-type": "CodePipeline Action Execution State Change",
            "detail": {
                "pipeline": "mobile-web", "execution-id": "7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11",
                "stage": "Release", "action": "Deploy", "state": state, "type": {"category": "Deploy"},
            },
        })
    };
    let sent = |event: &Value| -> Vec<Value> {
        let about = |rule: &&Rule| matches!(&rule.trigger, Trigger::Pattern(pattern) if pattern.matches(event));
        let rules = template.rules.iter().filter(about);
        rules.flat_map(|rule| rule.topics.iter().map(|(_, input)| input::of(input, rule, event).unwrap())).collect()
    };
    let [begun, failed] = ["STARTED", "FAILED"].map(|state| sent(&event(state)));
    assert_eq!((begun.len(), failed.len()), (2, 2), "one for chat, one for mail");
    let approval = json!({"category": "Approval"});
    let mut other = event("FAILED");
    other["detail"]["type"] = approval;
    assert_eq!(sent(&other), Vec::<Value>::new(), "an approval is CodePipeline's own to tell");
    let content = |key: &str| begun[0]["content"][key].as_str().unwrap().to_owned();
    let wanted =
        format!("```text\n{}\n\n{}\n```\n\n```text\n{}\n```\n", content("title"), content("description"), failed[1]);
    let page_path = root.join("docs/notifications.md");
    let page = std::fs::read_to_string(&page_path).unwrap();
    let (before, rest) = page.split_once("<!-- steps -->\n").unwrap();
    let (there, after) = rest.split_once(ENDS).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page_path, format!("{before}<!-- steps -->\n{wanted}{ENDS}{after}")).unwrap();
    } else {
        assert_eq!(there, wanted, "UPDATE_DOCS=1 cargo test -p lambda notifications");
    }
}
