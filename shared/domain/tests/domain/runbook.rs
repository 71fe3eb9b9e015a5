//! The runbook has each refusal and each failure, by the words that people see.

use domain::check::Phase;
use domain::id::{GroupArn, ListenerArn, ReleaseId, RuleArn, ServiceName};
use domain::refusal::{Failure, Refusal};
use domain::tags::WhichRule;

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
        Refusal::PromotionStuck { promoting: release(), minutes: 75 },
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
        Refusal::ListenerChanged { there: ListenerArn::new("arn:l/1"), configured: ListenerArn::new("arn:l/2") },
        Refusal::TwoRules { service: service(), which: WhichRule::Product, rules: vec![rule()] },
        Refusal::NothingToGoBackTo { release: release(), why: text() },
        Refusal::IsWayBack { release: release(), product: None },
        Refusal::Kept { release: release() },
        Refusal::NotProduct { release: release(), product: None, reason: None },
    ];
    all.into_iter().map(|refusal| (refusal.clone(), words(&refusal))).collect()
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
        Refusal::ListenerChanged { .. } => "product runs behind the listener",
        Refusal::TwoRules { .. } => "two rules of the listener are product rules",
        Refusal::NothingToGoBackTo { .. } => "cannot be rolled back",
        Refusal::IsWayBack { .. } => "is the way back",
        Refusal::Kept { .. } => "was kept",
        Refusal::NotProduct { .. } => "is not product",
        // It says what AWS said.
        Refusal::Account { .. } => "",
    }
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
        Failure::CheckFailed { release: release(), phase: Phase::Promote, verdicts: pairs(), what: text(), told: true },
        Failure::Account { what: "access denied: ec2:RunInstances".to_owned() },
    ];
    let words = |failure: &Failure| match failure {
        Failure::NoCapacity { .. } => "no capacity for",
        Failure::NotReady { .. } => "was not ready after",
        Failure::NotHealthy { .. } => "was not healthy within",
        Failure::AlarmWentOff { .. } => "is red while",
        Failure::CheckFailed { .. } => "did not pass its checks",
        Failure::Account { .. } => "access denied",
    };
    all.into_iter().map(|failure| (failure.clone(), words(&failure))).collect()
}

/// The page's rows below a heading, their first column.
fn rows(heading: &str) -> Vec<&'static str> {
    let section = PAGE.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()).skip(2).collect()
}

#[test]
fn each_refusal_is_a_row() {
    let rows = rows("Refused");
    for (refusal, words) in refusals() {
        assert!(refusal.to_string().contains(words), "{refusal}");
        assert!(rows.iter().any(|row| row.contains(words)), "docs/operations.md has no row for: {refusal}");
    }
    assert_eq!(rows.len(), refusals().len(), "one row for each");
}

#[test]
fn each_failure_is_a_row() {
    let rows = rows("Failed");
    for (failure, words) in failures() {
        assert!(failure.to_string().contains(words), "{failure}");
        assert!(rows.iter().any(|row| row.contains(words)), "docs/operations.md has no row for: {failure}");
    }
    assert_eq!(rows.len(), failures().len(), "one row for each");
}
