use super::*;

const REGION: &str = "eu-central-1";
const EXECUTION: &str = "7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11";

fn notice() -> Notice {
    Notice {
        release: Some(ReleaseId::new(EXECUTION).unwrap()),
        pipeline: Some("mobile-web".into()),
        asked_by: "the pipeline mobile-web".into(),
        lines: vec!["r1 stays behind the rule with weight 0, the way back.".into()],
        look: vec![("Product".into(), "http://m.example.com".into()), ("Servers".into(), "10.0.0.4, 10.0.1.7".into())],
        next: vec!["Approve KeepIt to keep it, or reject it to go back to r1.".into()],
        ..Notice::new(
            ServiceName::new("mobile-web").unwrap(),
            "promote",
            Status::Done,
            format!("release {EXECUTION} is product"),
        )
    }
}

#[test]
fn mail_reads_like_a_letter() {
    insta::assert_snapshot!(notice().text(REGION), @"
    Release 7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11 is product.
    r1 stays behind the rule with weight 0, the way back.

    Where to look
      Product   http://m.example.com
      Servers   10.0.0.4, 10.0.1.7
      Pipeline  https://eu-central-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/mobile-web/executions/7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11/visualization?region=eu-central-1

    What to do next
      - Approve KeepIt to keep it, or reject it to go back to r1.

    Service   mobile-web
    Release   7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11
    Asked by  the pipeline mobile-web
    Status    done (promote)
    ");
}

#[test]
fn a_subject_fits_sns() {
    let long = Notice { headline: "x\ny…é ".repeat(80), status: Status::Failed, ..notice() };
    assert!(long.subject().starts_with("FAILED: mobile-web promote: x y...? x y"), "{}", long.subject());
    assert!(long.subject().len() <= 99 && long.subject().is_ascii() && !long.subject().contains('\n'));
    assert_eq!(notice().subject(), "mobile-web promote: release 7a9a5b1e is product");
    let breaks = Notice { headline: "one\u{2028}two\u{2029}three".into(), ..notice() };
    assert_eq!(breaks.subject(), "mobile-web promote: one two three");
}

#[test]
fn a_rollback_is_loud_and_a_routine_step_is_quiet() {
    let as_ = |event: &str, status| {
        let notice = Notice { event: event.into(), status, headline: "it is so".into(), ..notice() };
        format!("{} | {}", notice.level().as_str(), notice.subject())
    };
    assert_eq!(as_("rollback", Status::Done), "loud | ROLLBACK: mobile-web: it is so");
    assert_eq!(as_("rollback", Status::Attention), "loud | ROLLBACK: mobile-web: it is so");
    assert_eq!(as_("rollback", Status::Refused), "loud | REFUSED: mobile-web rollback: it is so");
    assert_eq!(as_("register", Status::Failed), "loud | FAILED: mobile-web register: it is so");
    assert_eq!(as_("unhealthy", Status::Attention), "loud | ATTENTION: mobile-web unhealthy: it is so");
    assert_eq!(as_("promote", Status::Refused), "normal | refused: mobile-web promote: it is so");
    assert_eq!(as_("promote", Status::Done), "normal | mobile-web promote: it is so");
    assert_eq!(as_("provision", Status::Done), "quiet | mobile-web provision: it is so");
}

#[test]
fn a_message_and_an_event_fit_whatever_they_say() {
    for worst in ["\u{1}", "\"", "\u{1F600}", "\n"] {
        let long = worst.repeat(300_000);
        let mut lines = vec![worst.repeat(500); 200];
        lines.push(long.clone());
        let look = vec![("Servers".into(), long.clone()), ("Servers".into(), worst.to_owned())];
        let outputs = BTreeMap::from([("InstanceIds", long.clone()), ("PrivateIps", long.clone())]);
        let notice = Notice {
            headline: long.clone(),
            asked_by: long.clone(),
            pipeline: Some(long.clone()),
            lines: lines.clone(),
            next: lines,
            look,
            outputs,
            ..notice()
        };
        let message = notice.message(REGION);
        assert!(message.len() < 262_144, "{worst:?}: {} bytes", message.len());
        assert!(notice.text(REGION).contains("the rest is in the function's log"), "{worst:?}");
        let detail = notice.detail(REGION).to_string();
        assert!(detail.len() < 262_000, "{worst:?}: {} bytes", detail.len());
    }
}

#[test]
fn chat_has_the_custom_schema() {
    let chat = notice().chat(REGION);
    assert_eq!(chat["version"], "1.0");
    assert_eq!(chat["source"], "custom");
    assert_eq!(chat["content"]["textType"], "client-markdown");
    let title = chat["content"]["title"].as_str().unwrap();
    assert!(title.ends_with(" mobile-web promote: release 7a9a5b1e is product"), "{title}");
    let description = chat["content"]["description"].as_str().unwrap();
    assert!(description.contains("*Product* http://m.example.com\n"), "{description}");
    assert!(description.contains("*Asked by* the pipeline mobile-web"), "{description}");
}

#[test]
fn a_release_is_one_thread() {
    let thread = |release: Option<&str>| {
        let release = release.map(|id| ReleaseId::new(id).unwrap());
        Notice { release, ..notice() }.chat(REGION)["metadata"]["threadId"].clone()
    };
    assert_eq!(thread(Some(EXECUTION)), EXECUTION);
    assert_eq!(thread(Some("v12")), "mobile-web/v12");
    assert_eq!(thread(None), "mobile-web");
}

#[test]
fn the_console_shows_the_execution_in_each_partition() {
    let url = |region: &str| notice().execution_url(region).unwrap();
    assert_eq!(
        url(REGION),
        format!(
            "https://eu-central-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/mobile-web/executions/{EXECUTION}\
             /visualization?region=eu-central-1"
        )
    );
    assert!(url("cn-north-1").starts_with("https://cn-north-1.console.amazonaws.cn/"));
    assert!(url("us-gov-west-1").starts_with("https://us-gov-west-1.console.amazonaws-us-gov.com/"));
    assert_eq!(Notice { pipeline: Some("a b".into()), ..notice() }.execution_url(REGION), None);
    assert_eq!(Notice { release: None, ..notice() }.execution_url(REGION), None);
}

#[test]
fn ids_are_shortened_wherever_they_stand() {
    let text = "release 0b63c1f2-9d5e-4c1a-8a77-0123456789ab is product; töte 1-2";
    assert_eq!(with_short_ids(text), "release 0b63c1f2 is product; töte 1-2");
}
