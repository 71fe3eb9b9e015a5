//! What goes to AWS in words: subjects, messages, tags, tokens, names. Within AWS's limits, whatever comes in.

use domain::aws::{AwsError, Kind};
use domain::id::{GroupArn, ListenerArn, ReleaseId, ServiceName, group_name};
use domain::notice::{Notice, Status};
use domain::report::cut;
use domain::tags::{self, Role, Tags, WhichRule};
use domain::time::Time;

use crate::choices::Choices;
use crate::run::{Kept, promise};
use crate::text;

/// SNS takes messages below 256 KiB, with their attributes.
const MESSAGE_BYTES: usize = 262_144;

/// Whether SNS takes a notice.
pub fn fits_sns(notice: &Notice) -> Kept {
    let subject = notice.subject();
    let line = |c: char| !c.is_control() && !['\u{2028}', '\u{2029}'].contains(&c);
    let good = (1..100).contains(&subject.chars().count()) && subject.is_ascii() && subject.chars().all(line);
    promise(good, "a subject is one line of ASCII, of under 100 characters", || format!("{subject:?}"))?;
    promise(!notice.headline.trim().is_empty(), "a notice says what happened", || format!("{notice:?}"))?;
    let bytes = notice.message("eu-central-1").len() + subject.len() + notice.event.len() + 200;
    promise(bytes < MESSAGE_BYTES, "a message is as short as SNS takes it", || {
        let most = notice.lines.iter().chain([&notice.headline]).map(String::len).max().unwrap_or_default();
        format!("{bytes} bytes, its longest line {most}")
    })?;
    let bytes = notice.detail("eu-central-1").to_string().len() + 200;
    promise(bytes < MESSAGE_BYTES, "an event is as short as EventBridge takes it", || format!("{bytes} bytes"))
}

/// Whether CodePipeline takes a text as a job's summary and as its failure.
pub fn fits_a_job(text: &str) -> Kept {
    for most in [2048, 5000] {
        let cut = cut(text, most);
        promise((1..=most).contains(&cut.chars().count()), "a job's text is 1 to so many characters", || {
            format!("{} of {most}", cut.chars().count())
        })?;
    }
    Ok(())
}

/// Whether ELB, which is stricter than EC2, takes a resource's tags.
pub fn fits_tags(tags: &Tags) -> Kept {
    promise(tags.len() <= 50, "a resource has 50 tags at most", || format!("{}", tags.len()))?;
    for (key, value) in tags {
        let shown = || format!("{key:?}: {value:?}");
        let good = |text: &str| {
            text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() && !c.is_control() || "_.:/=+-@".contains(c))
        };
        promise((1..=128).contains(&key.chars().count()) && good(key), "ELB takes a tag's key", shown)?;
        promise(value.chars().count() <= 255 && good(value), "ELB takes a tag's value", shown)?;
    }
    Ok(())
}

/// Texts from everywhere.
#[derive(Debug)]
pub struct Words {
    service: String,
    release: String,
    texts: Vec<String>,
    seconds: i64,
    status: Status,
}

/// Makes some.
pub fn make(c: &mut Choices) -> Words {
    let words = ["release r1 is product", "its pipeline execution FAILED", "", "i-0a: unhealthy, codes [502]", "aws:x"];
    Words {
        service: text::like(
            c,
            &["mobile-web", "a", "a-service-whose-name-is-rather-long-and-goes-on-and-on", "x--y"],
            70,
        ),
        release: text::like(c, &["r1", "7a9a5b1e-0f2d-4f8b-9d1c-2f7f2d9d4c11"], 60),
        texts: (0..=c.upto(5)).map(|_| text::like(c, &words, 40)).collect(),
        seconds: c.number(),
        status: *c.pick(&[Status::Done, Status::Refused, Status::Failed, Status::Attention]).unwrap_or(&Status::Done),
    }
}

/// What is promised for all texts.
pub fn check(words: &Words) -> Kept {
    let text = |at: usize| words.texts.get(at).map(String::as_str).unwrap_or_default();
    let at = Time::from_seconds(words.seconds);
    for text in &words.texts {
        let value = tags::tag_value(text);
        fits_tags(&Tags::from([("k".to_owned(), value.clone())]))?;
        promise(tags::tag_value(&value) == value && value.trim() == value, "a tag's value is one already", || {
            value.clone()
        })?;
        fits_a_job(text)?;
        promise(
            Time::parse(text).is_none_or(|at| Time::parse(&at.to_string()) == Some(at)),
            "a time is read again",
            || text.clone(),
        )?;
        let (group, listener) = (GroupArn::new(text.clone()), ListenerArn::new(text.clone()));
        let _ = (group.name().len(), listener.load_balancer(), domain::event::person(text));
        let error = AwsError {
            action: "ec2:RunInstances",
            resource: text.clone(),
            code: Some(text.clone()),
            message: text.clone(),
            kind: Kind::of(text, false),
        };
        promise(!error.to_string().is_empty(), "an error says something", String::new)?;
        promise(Role::parse(text).is_none_or(|role| role.as_str() == text), "a role is spelt in one way", || {
            text.clone()
        })?;
    }
    let hash = domain::id::short_hash(text(0), 8);
    let since = tags::weights_since(at, &hash);
    let back = tags::read_weights_since(&since, &hash);
    let known = at.to_string() != "an unknown time";
    promise(!known || back == Some(at), "the time of weights is read again", || since.clone())?;
    let Ok(service) = ServiceName::new(&words.service) else { return Ok(()) };
    promise(
        service.variable().bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'),
        "a service has a variable",
        || service.variable(),
    )?;
    let release = ReleaseId::new(&words.release);
    if let Ok(release) = &release {
        let group = group_name(&service, release);
        let good = group.len() <= 32 && group.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let good = good && !group.starts_with('-') && !group.ends_with('-') && !group.starts_with("internal-");
        promise(good && service.may_own_group(&group), "ELB takes a group's name", || group.clone())?;
        let mut tags = tags::birth_tags(&service, release, Role::PreProduct, at, &Tags::new());
        tags.extend(tags::rejected_tags(&service, at, text(0)));
        tags.extend(tags::rule_tags(&service, WhichRule::Product, &Tags::new()));
        fits_tags(&tags)?;
        let external = format!("{service}/{release}");
        promise((1..=1500).contains(&external.chars().count()), "CodePipeline takes the external id", || {
            external.clone()
        })?;
    }
    let notice = Notice {
        release: release.ok(),
        lines: words.texts.clone(),
        look: vec![("Product".to_owned(), text(2).to_owned())],
        next: vec![text(3).to_owned()],
        asked_by: text(1).to_owned(),
        pipeline: Some(text(4).to_owned()),
        ..Notice::new(service, "promote", words.status, if text(0).trim().is_empty() { "x" } else { text(0) })
    };
    fits_sns(&notice)?;
    let message: Result<serde_json::Value, _> = serde_json::from_str(&notice.message("eu-central-1"));
    let whole = message.ok().and_then(|m| Some(m.get("default")?.is_string() && m.get("email")?.is_string()));
    promise(whole == Some(true), "a message is for mail and chat", || notice.message("eu-central-1"))
}
