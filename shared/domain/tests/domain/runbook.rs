//! The runbook has each refusal and each failure, by the words that people see.

use std::path::Path;

use domain::aws::{AwsError, Kind, PARAMETERS};
use domain::check::Phase;
use domain::id::{GroupArn, ListenerArn, ReleaseId, RuleArn, ServiceName};
use domain::refusal::{Failure, Refusal};
use domain::tags::WhichRule;
use domain::time::Time;

const PAGE: &str = include_str!("../../../../docs/operations.md");

/// One of each, and the words by which the page has it.
fn refusals() -> Vec<(Refusal, &'static str)> {
    let release = || ReleaseId::new("r2").unwrap();
    let service = || ServiceName::new("mobile-web").unwrap();
    let rule = || RuleArn::new("arn:rule/1");
    let text = || "x".to_owned();
    let pairs = || vec![(text(), text())];
    let all = vec![
        Refusal::BadCall { problems: vec![text()] },
        Refusal::UnknownService { service: service(), known: vec![] },
        Refusal::BadConfig { service: service(), problems: vec![text()] },
        Refusal::StrangeProductRule { service: service(), rule: rule(), found: text() },
        Refusal::StrangePreProductRule { service: service(), rule: rule(), found: text() },
        Refusal::Rejected { release: release(), reason: None },
        Refusal::TornDown { release: release() },
        Refusal::PromotionStuck { promoting: release(), minutes: 75, frozen: false },
        Refusal::PoolTooSmall { release: release(), free: 1, wanted: 2 },
        Refusal::NoServers { release: release() },
        Refusal::ServersMissing { release: release(), running: 1, asked: 2 },
        Refusal::RegisterRetired { release: release(), product: None },
        Refusal::PriorityTaken { which: WhichRule::Product, priority: 10, rule: rule(), how: text() },
        Refusal::GroupDiffers { group: text(), found: text(), wanted: text() },
        Refusal::GroupNotOurs { service: service(), release: release(), name: text(), group: GroupArn::new("arn:g/1") },
        Refusal::NotSeenByQa { release: release(), seen: None },
        Refusal::AlarmsRed { release: release(), alarms: pairs() },
        Refusal::NotExamined { release: release(), phase: Phase::Promote, verdicts: pairs() },
        Refusal::NotAsSeen { release: release(), what: text() },
        Refusal::PromoteRetired { release: release(), product: None },
        Refusal::TakenAway { release: release(), product: None },
        Refusal::ListenerChanged { there: ListenerArn::new("arn:l/1"), configured: ListenerArn::new("arn:l/2") },
        Refusal::TwoRules { service: service(), which: WhichRule::Product, rules: vec![rule()] },
        Refusal::NothingToGoBackTo { release: release(), why: text() },
        Refusal::IsWayBack { release: release(), product: None },
        Refusal::Kept { release: release() },
        Refusal::NotProduct { release: release(), product: None, reason: None },
    ];
    let mut rows: Vec<_> = all.into_iter().map(|refusal| (refusal.clone(), words(&refusal))).collect();
    let without_rule = Refusal::NotProduct { release: release(), product: Some("r2".to_owned()), reason: None };
    rows.push((without_rule, "is tagged product, and no product rule names it"));
    rows
}

/// A new refusal does not compile until it has words here, and then it is on the page or the test fails.
fn words(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::BadCall { .. } => "the call is not right",
        Refusal::UnknownService { .. } => "is not configured",
        Refusal::BadConfig { .. } => "the config of",
        Refusal::StrangeProductRule { .. } => "does what Pointsman never makes it do",
        Refusal::StrangePreProductRule { .. } => "is tagged pointsman:rule=pre-product",
        Refusal::Rejected { .. } => "was rejected",
        Refusal::TornDown { .. } => "was torn down",
        Refusal::PromotionStuck { .. } => "is being promoted and its weights have stood for",
        Refusal::PoolTooSmall { .. } => "addresses that nobody holds",
        Refusal::NoServers { .. } => "has no running servers",
        Refusal::ServersMissing { .. } => "running servers",
        Refusal::RegisterRetired { .. } => "was product and is retired",
        Refusal::PriorityTaken { .. } => "of the listener holds a rule that is not ours",
        Refusal::GroupDiffers { .. } => "is for",
        Refusal::GroupNotOurs { .. } => "exists that is not tagged",
        Refusal::NotSeenByQa { .. } => "QA did not see release",
        Refusal::AlarmsRed { .. } => "has any traffic",
        Refusal::NotExamined { .. } => "could not be examined",
        Refusal::NotAsSeen { .. } => "what QA saw of release",
        Refusal::PromoteRetired { .. } => "is retired",
        Refusal::TakenAway { .. } => "away by hand",
        Refusal::ListenerChanged { .. } => "product runs behind the listener",
        Refusal::TwoRules { .. } => "two rules of the listener are product rules",
        Refusal::NothingToGoBackTo { .. } => "cannot be rolled back",
        Refusal::IsWayBack { .. } => "is the way back",
        Refusal::Kept { .. } => "was kept",
        Refusal::NotProduct { .. } => "is not product",
        // It says what is so in the account: `account_refusals` has these.
        Refusal::Account { .. } => "",
    }
}

/// Sentences about the account that are made where it is looked at, with the file that makes each.
const OF_A_LOOK: [(&str, &str); 4] = [
    ("the account does not fit the config of", include_str!("../../../../functions/plans/src/provision.rs")),
    ("does not exist. Look at listener_arn", include_str!("../../../runtime/src/observe/listener.rs")),
    ("an elastic IP of elastic_ips does not exist", include_str!("../../../runtime/src/observe/addresses.rs")),
    ("which this account does not have here", include_str!("../../../runtime/src/observe/addresses.rs")),
];
/// In how many places the plans and the runtime make such a sentence: those above, of which one stands twice, and two that
/// say what no look finds.
const PLACES: usize = 7;

const SWEEP: &str = include_str!("../../../../functions/plans/src/sweep.rs");
const TRAFFIC: &str = include_str!("../../../../functions/plans/src/traffic.rs");

/// What is told once a day: the word for it, how its headline goes, and the file that makes it.
const DAILY: [(&str, &str, &str); 14] = [
    ("product-unhealthy", "product has <n> of <m> servers healthy", SWEEP),
    ("way-back-unhealthy", "the way back, has <n> of <m> servers healthy", SWEEP),
    ("way-back-goes", "the way back, goes", SWEEP),
    ("promotion-stuck", "has had some of the traffic for <n> minutes, and nobody moves it", SWEEP),
    ("undecided", "has been frozen since <time>, and nobody decides", SWEEP),
    ("product-without-rule", "is tagged product, and no product rule names it", SWEEP),
    ("taken-away", "somebody took the traffic of <id> away by hand", SWEEP),
    ("alarms-missing", "alarms that the config names do not exist", SWEEP),
    ("odd-weights", "which is none of its steps", TRAFFIC),
    ("despite-alarms", "is being promoted though <what>", TRAFFIC),
    (
        "strange-rule",
        "the product rule is not as Pointsman makes it",
        include_str!("../../../../functions/plans/src/told.rs"),
    ),
    (
        "group-left",
        "is still behind a load balancer, so it is left standing",
        include_str!("../../../../functions/plans/src/go.rs"),
    ),
    ("rejected-serves", "was rejected and serves on", include_str!("../../../../functions/plans/src/mend.rs")),
    (
        "unconfigured",
        "the service <name> is no longer configured, and something of it stands",
        include_str!("../../../runtime/src/bus/sweep.rs"),
    ),
];

/// What AWS answers to a look or a step, as people read it.
fn aws(action: &'static str, code: &str, message: &str) -> String {
    let kind = Kind::of(code, false);
    AwsError { action, resource: "it".into(), code: Some(code.into()), message: message.into(), kind }.to_string()
}

/// What does not exist is the caller's to mend, where a look meets it.
fn account_refusals() -> Vec<(String, &'static str)> {
    vec![
        (aws("route53:ListResourceRecordSets", "NoSuchHostedZone", "No zone."), "Look at dns.zone_id"),
        (aws("dynamodb:UpdateItem", "ResourceNotFoundException", "No table."), "Look at LEASE_TABLE"),
        (aws("elasticloadbalancing:DescribeTags", "TargetGroupNotFound", "Gone."), "Look whether it still exists"),
    ]
}

/// What AWS denies, or does not answer, is a failure.
fn account_failures() -> Vec<(String, &'static str)> {
    let denied = |action: &str, why: &str| {
        let message = format!("User: x is not authorized to perform: {action} on resource: it {why}");
        aws("ec2:RunInstances", "UnauthorizedOperation", &message)
    };
    let unanswered =
        AwsError { code: None, kind: Kind::Unanswered, ..AwsError::incomplete("ec2:RunInstances", "it", "") };
    vec![
        (
            denied("iam:PassRole", "because no identity-based policy allows it"),
            "The stack's parameter <name> says what this function's role may use",
        ),
        (
            denied("ec2:RunInstances", "because no identity-based policy allows it"),
            "Allow <action> on <resource> in the policy of this function's role",
        ),
        (
            denied("ec2:RunInstances", "with an explicit deny in a service control policy"),
            "It is not this function's role",
        ),
        (aws("ec2:RunInstances", "InvalidParameterValue", "No profile."), "Put right what AWS names"),
        (aws("ec2:RunInstances", "InvalidGroup.NotFound", "No sg-1."), "Look whether it still exists"),
        (aws("ec2:RunInstances", "RequestLimitExceeded", "Slow."), "AWS takes no more such calls for the moment"),
        (unanswered.to_string(), "was not answered"),
        (include_str!("../../../runtime/src/errors.rs").to_owned(), "AWS was waited for in vain for"),
        (include_str!("../../../runtime/src/call.rs").to_owned(), "did not come to an end in"),
        (include_str!("../../../runtime/src/errors.rs").to_owned(), "a fault of Pointsman's own"),
    ]
}

/// Whether a sentence has the words of a row, in which angle brackets stand for anything.
fn has(sentence: &str, words: &str) -> bool {
    let mut rest = sentence;
    words.split('<').map(|part| part.split_once('>').map_or(part, |(_, part)| part)).all(|part| {
        let found = rest.split_once(part);
        rest = found.map_or(rest, |(_, after)| after);
        found.is_some()
    })
}

fn failures() -> Vec<(Failure, &'static str)> {
    let release = || ReleaseId::new("r2").unwrap();
    let text = || "x".to_owned();
    let pairs = || vec![(text(), text())];
    let all = vec![
        Failure::NoCapacity { release: release(), zones: vec![text()], told: false },
        Failure::NotReady { release: release(), seconds: 600, missing: text(), told: true },
        Failure::NotHealthy { release: release(), seconds: 300, missing: text(), check: text() },
        Failure::AlarmWentOff { release: release(), percent: 10, alarms: pairs(), what: text(), told: true },
        Failure::Sick { release: release(), percent: 10, missing: text(), what: text(), told: true },
        Failure::Frozen { release: release(), percent: 10, since: Time::from_seconds(0) },
        Failure::CheckFailed { release: release(), phase: Phase::Promote, verdicts: pairs(), what: text(), told: true },
    ];
    let words = |failure: &Failure| match failure {
        Failure::NoCapacity { .. } => "no capacity for",
        Failure::NotReady { .. } => "was not ready after",
        Failure::NotHealthy { .. } => "was not healthy within",
        Failure::AlarmWentOff { .. } => "is red while",
        Failure::Sick { .. } => "are not healthy while",
        Failure::Frozen { .. } => "were frozen at",
        Failure::CheckFailed { .. } => "did not pass its checks",
        // It says what AWS said: `account_failures` has these.
        Failure::Account { .. } => "",
    };
    all.into_iter().map(|failure| (failure.clone(), words(&failure))).collect()
}

/// The page's rows below a heading, their first column.
fn rows(heading: &str) -> Vec<&'static str> {
    let section = PAGE.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n##").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).skip(2).collect()
}

/// Each sentence has its words, and the section one row with them; no row is left over.
fn one_row_each(heading: &str, sentences: &[(String, &'static str)]) {
    let rows = rows(heading);
    for (sentence, words) in sentences {
        assert!(has(sentence, words), "{words}: {sentence}");
        assert!(rows.iter().any(|row| row.contains(words)), "docs/operations.md has no row for: {words}: {sentence}");
    }
    assert_eq!(rows.len(), sentences.len(), "one row for each");
}

#[test]
fn each_refusal_is_a_row() {
    let said = refusals().into_iter().map(|(refusal, words)| (refusal.to_string(), words));
    let of_a_look = OF_A_LOOK.map(|(words, made)| (made.to_owned(), words));
    one_row_each("Refused", &said.chain(of_a_look).chain(account_refusals()).collect::<Vec<_>>());
}

#[test]
fn each_failure_is_a_row() {
    let said = failures().into_iter().map(|(failure, words)| (failure.to_string(), words));
    one_row_each("Failed", &said.chain(account_failures()).collect::<Vec<_>>());
}

#[test]
fn what_is_told_once_a_day_is_a_row_and_its_word_is_on_the_page_of_notices() {
    const NOTICES: &str = include_str!("../../../../docs/notifications.md");
    let rows = rows("Told once a day");
    for (kind, words, made) in DAILY {
        assert!(made.contains(&format!("\"{kind}\"")) && has(made, words), "{kind}: {words}");
        assert!(rows.iter().any(|row| row.contains(words)), "docs/operations.md has no row for: {words}");
        assert!(NOTICES.contains(&format!("| `{kind}` | ")), "docs/notifications.md has no row for {kind}");
    }
    assert_eq!(rows.len(), DAILY.len(), "one row for each");
    // One of them is a notice of its own.
    let made = in_sources(&[" kind: \"", " kind: WAY_BACK_GOES"]);
    assert_eq!(made + 1, DAILY.len(), "give the new one a row in docs/operations.md, and put it above");
}

#[test]
fn no_sentence_about_the_account_is_made_that_has_no_row() {
    let places = in_sources(&["End::Refuse(Refusal::Account", "Trouble::account("]);
    assert_eq!(places, PLACES, "give the new sentence a row in docs/operations.md, and put it above");
}

/// How often these stand in the plans and the runtime.
fn in_sources(texts: &[&str]) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("functions/plans/src"), root.join("shared/runtime/src")];
    let mut times = 0;
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            times += texts.iter().map(|searched| text.matches(searched).count()).sum::<usize>();
        }
    }
    times
}

#[test]
fn each_parameter_that_a_denial_names_is_the_stacks_and_a_row() {
    let template = include_str!("../../../../template.yaml");
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `")).collect();
    for (action, parameter) in PARAMETERS {
        assert!(
            template.contains(&format!("\n  {parameter}:\n    Type: ")),
            "template.yaml has no parameter {parameter}"
        );
        let row = format!("| `{action}` | `{parameter}` | ");
        assert!(rows.iter().any(|line| line.starts_with(&row)), "docs/operations.md has no row {row}");
    }
    assert_eq!(rows.len(), PARAMETERS.len(), "one row for each");
}
