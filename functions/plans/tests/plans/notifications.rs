//! `docs/notifications.md` shows each kind of notice as it arrives: made here, by the plans, in a model of an account.

use domain::check::Verdict;
use domain::event::{Event, read};
use domain::id::{ReleaseId, group_name};
use domain::notice::{Notice, SOURCE, with_short_ids};
use domain::plan::End;
use domain::refusal::Refusal;
use domain::report::{Outcome, bad_call};
use domain::request::{Function, Request, RollbackScope};
use domain::tags;
use serde_json::json;

use crate::account::Account;
use crate::build::world;
use crate::course::{event, finish, freeze, job, promote, provision, register, remove, rollback, sweep};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/notifications.md");
const REGION: &str = "eu-central-1";
const PIPELINE: &str = "mobile-web";
/// The release that was product, the one that is shipped, and one after it.
const ONE: &str = "1b4e28ba-2fa1-4d2e-883f-0016d3cca427";
const TWO: &str = "7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11";
const THREE: &str = "c9bf9e57-1685-4c89-bafb-ff5af830be8a";

/// What the pipeline asks for.
fn by_pipeline(request: Request, account: &Account) -> Request {
    Request { pipeline: Some(PIPELINE.to_owned()), ..job(request, account) }
}

/// What people are told at the end of a job.
fn at_the_end(account: Account, request: Request) -> Notice {
    let request = by_pipeline(request, &account);
    at_the_end_of(account, &request)
}

/// What people are told at the end of a call; the pipeline is the one that the release's tags name.
fn at_the_end_of(account: Account, request: &Request) -> Notice {
    let pipeline = request.release.as_ref().and_then(|release| {
        let mut tags = account.tags_of(release.as_str()).into_iter();
        tags.find_map(|tags| tags.get(tags::PIPELINE).cloned())
    });
    let course = account.call(request);
    let outcome = match course.end {
        Some(End::Done(done)) => Outcome::Done(done, course.not_followed),
        Some(End::Refuse(refusal)) => Outcome::Refused(refusal),
        Some(End::Fail(failure)) => Outcome::Failed(failure),
        other => panic!("{other:?}"),
    };
    let mut notice = outcome.notice(request).unwrap();
    notice.pipeline = notice.pipeline.or(pipeline);
    notice
}

/// What people are told first on the way.
fn on_the_way(account: Account, request: &Request) -> Notice {
    account.call(request).account.notices[0].clone()
}

fn bad_config(account: &Account) -> Notice {
    let problems = vec!["port is missing; write for example 8080".to_owned()];
    let refusal = Refusal::BadConfig { service: account.service.name.clone(), problems };
    Outcome::Refused(refusal).notice(&by_pipeline(provision(TWO), account)).unwrap()
}

/// What people are told of a call that names no service rightly.
fn unreadable() -> Notice {
    let call = json!({"service": "Mobile Web", "release": TWO, "action": "rollback"});
    let Ok(Event::Direct(Err(problems))) = read(&call, Function::Teardown) else { panic!("it is read: {call}") };
    bad_call(Function::Teardown, &Refusal::BadCall { problems }).unwrap()
}

/// Each kind, with what it is about.
fn kinds() -> Vec<(&'static str, Notice)> {
    let before = || world().product(ONE);
    let by_tag = |account: Account, release| account.tagged(release, tags::PIPELINE, PIPELINE);
    let shipped = || by_tag(world().product(TWO).retired(ONE).later(60), TWO);
    let rejected = |reason: &str| {
        let mut request = event(TWO, RollbackScope::TrafficOnly);
        if let domain::request::Verb::Rollback { reason: why, .. } = &mut request.verb {
            reason.clone_into(why);
        }
        request
    };
    let superseding = by_tag(before().pre_product(TWO), TWO);
    let newer = by_pipeline(provision(THREE), &superseding);
    let checked = before().configured(json!({"checks": ["mobile-smoke"]})).provisioned(TWO);
    let checked = checked.says("mobile-smoke", Verdict::Bad("the basket answers 500".to_owned()));
    let examined = by_pipeline(register(TWO), &checked);
    let watched = json!({"traffic": {"steps": [10, 50]}, "alarms": ["mobile-5xx"]});
    let watched = by_tag(before().configured(watched).alarm("mobile-5xx").pre_product(TWO).later(60), TWO);
    let stepping = by_pipeline(promote(TWO), &watched);
    let at_a_step = watched.call_once(&stepping).account.later(20);
    let frozen = at_a_step.clone().configured(json!({"on_alarm": "freeze"})).goes_off("mobile-5xx").later(5);
    let red = at_a_step.goes_off("mobile-5xx").later(5);
    vec![
        ("Its servers are ready", at_the_end(before(), provision(TWO))),
        ("It can be tried: QA's turn", at_the_end(before().provisioned(TWO), register(TWO))),
        ("It is product", at_the_end(before().pre_product(TWO), promote(TWO))),
        ("It is kept", at_the_end(shipped(), finish(TWO))),
        (
            "Somebody rejected it, or an alarm did: product is what it was",
            on_the_way(shipped(), &rejected("approval KeepIt was rejected by alice")),
        ),
        ("An alarm went off during a step", on_the_way(red, &stepping)),
        ("An alarm went off, and people decide (`on_alarm` is `freeze`)", on_the_way(frozen, &freeze(TWO))),
        ("A check of the service's own said no", on_the_way(checked, &examined)),
        ("A rollback is done", at_the_end_of(shipped(), &rollback(TWO))),
        (
            "A rollback was refused: customers still get what somebody wanted to take from them",
            at_the_end_of(by_tag(world().product(TWO), TWO), &rollback(TWO)),
        ),
        ("A newer release took its place", on_the_way(superseding, &newer)),
        ("A call was refused: nothing was changed", bad_config(&before())),
        ("A call cannot be read", unreadable()),
        ("Something failed", at_the_end(before().provisioned(TWO).unhealthy(TWO, 1), register(TWO))),
        ("The service is gone", at_the_end_of(shipped(), &remove(TWO))),
        ("Nobody asked, but people have to know; once a day", on_the_way(shipped().unhealthy(TWO, 1), &sweep())),
    ]
}

/// The model's ids are made of releases' names; here they look like AWS's.
fn with_ids(text: &str) -> String {
    let (service, release) = (world().service.name, ReleaseId::new(TWO).unwrap());
    let group = format!("targetgroup/{}", group_name(&service, &release));
    let text = text.replace(
        &format!("elasticloadbalancing:{group}/{TWO}"),
        &format!("elasticloadbalancing:{REGION}:123456789012:{group}/6d0ecf831eec9f09"),
    );
    let ids = [("-1", "i-0c2f1a5b9d3e7f801"), ("-2", "i-0e47b6a1d85c92f33")];
    let [one, two, three] = [ONE, TWO, THREE].map(with_short_ids);
    [ONE, TWO, THREE, &one, &two, &three]
        .into_iter()
        .flat_map(|release| ids.map(|(n, id)| (format!("i-{release}{n}"), id)))
        .fold(text, |text, (name, id)| text.replace(&name, id))
}

/// As a mail program shows it.
fn mail(notice: &Notice) -> String {
    format!("Subject: {}\n\n{}", notice.subject(), notice.text(REGION))
}

/// As Slack shows it: a title, the description, the steps. Teams shows the same in its own type.
fn slack(notice: &Notice) -> String {
    let chat = notice.chat(REGION);
    let text = |key: &str| chat["content"][key].as_str().unwrap().to_owned();
    let mut shown = format!("{}\n\n{}\n", text("title"), text("description"));
    let steps = chat["content"]["nextSteps"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !steps.is_empty() {
        shown.push_str("\nNext steps\n");
        shown.extend(steps.iter().map(|step| format!("• {}\n", step.as_str().unwrap())));
    }
    shown
}

fn shown() -> String {
    let mut page = String::new();
    for (about, notice) in kinds() {
        page.push_str(&format!(
            "\n### {about}\n\n`level` {}, `event` {}, `status` {}; on the bus: `{}`\n\nMail:\n\n```text\n{}```\n\nChat:\n\n```text\n{}```\n",
            notice.level().as_str(),
            notice.event,
            notice.status.as_str(),
            notice.detail_type(),
            mail(&notice),
            slack(&notice),
        ));
    }
    with_ids(&page)
}

fn on_the_bus() -> String {
    let notice = at_the_end(world().product(ONE).pre_product(TWO), promote(TWO));
    let event = serde_json::json!({
        "version": "0",
        "id": "5f5b3c70-8a3c-4b2c-9f0e-0d3c4f1f4c7e",
        "detail-type": notice.detail_type(),
        "source": SOURCE,
        "account": "123456789012",
        "time": "2026-11-21T10:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": notice.detail(REGION),
    });
    with_ids(&format!("\n```json\n{}\n```\n", serde_json::to_string_pretty(&event).unwrap()))
}

#[test]
fn the_page_on_notifications_shows_what_arrives() {
    const ENDS: &str = "<!-- end -->\n";
    let mut page = std::fs::read_to_string(PAGE).unwrap();
    for (what, wanted) in [("kinds", shown()), ("event", on_the_bus())] {
        let begins = format!("<!-- {what}, made by the plans: UPDATE_DOCS=1 cargo test -p plans notifications -->\n");
        let (before, rest) = page.split_once(&begins).unwrap();
        let (there, after) = rest.split_once(ENDS).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            page = format!("{before}{begins}{wanted}\n{ENDS}{after}");
            std::fs::write(PAGE, &page).unwrap();
        } else {
            let wrong = "docs/notifications.md shows other notices: UPDATE_DOCS=1 cargo test -p plans notifications";
            assert!(there == format!("{wanted}\n"), "{wrong}");
        }
    }
}
