//! What is explored: where it begins, who calls, what may happen.

use serde_json::json;

use crate::account::{Account, menu};
use crate::ask::{Ask, Verb};
use crate::aws::{Aws, Forward, RELEASES, Rule, STRANGER, Sight};
use crate::broken::Breakage;
use crate::happens::Budget;

const ALL_VERBS: [Verb; 9] = [
    Verb::Provision,
    Verb::Register,
    Verb::Promote,
    Verb::Finish,
    Verb::Rollback,
    Verb::EventRollback,
    Verb::AlarmRollback,
    Verb::ExecutionFailed,
    Verb::Remove,
];

/// The calls that make a release product.
fn shipped(release: usize) -> [Ask; 3] {
    [Verb::Provision, Verb::Register, Verb::Promote].map(|verb| Ask::new(verb, release))
}

/// An account whose customers' rule was somebody's before.
pub fn adopted() -> Aws {
    let rule =
        Rule { sight: Sight::Shown, forward: Forward::only(STRANGER), ours: true, variant: 0, since: None, told: 0 };
    Aws { product: Some(rule), ..Aws::EMPTY }
}

/// The places from which exploration begins.
pub fn starts(account: &Account, releases: usize) -> Vec<(Aws, crate::history::History)> {
    let [p1, r1, s1] = shipped(0);
    let [p2, r2, s2] = shipped(1);
    let [p3, r3, _] = shipped(2);
    let mut starts = vec![
        account.after(Aws::EMPTY, &[]),
        account.after(adopted(), &[p1, r1]),
        account.after(Aws::EMPTY, &[p1, r1]),
        account.after(Aws::EMPTY, &[p1, r1, s1]),
    ];
    if releases > 1 {
        starts.push(account.after(Aws::EMPTY, &[p1, r1, s1, p2, r2]));
        starts.push(account.after(Aws::EMPTY, &[p1, r1, s1, p2, r2, s2]));
    }
    if releases > 2 {
        starts.push(account.after(Aws::EMPTY, &[p1, r1, s1, p2, r2, s2, p3, r3]));
    }
    starts
}

/// One caller, whatever it calls and however often, and one crash.
pub fn small(releases: usize, broken: Option<Breakage>) -> Account {
    let mut account = Account::new("one caller, a crash anywhere", 1, broken);
    account.menu = menu(releases, &ALL_VERBS);
    account.releases = releases.min(RELEASES);
    account.callers = 1;
    account.budget = Budget { calls: u8::MAX, crashes: 1, ..Budget::default() };
    account.starts = starts(&account, releases);
    account
}

/// Two callers at a time and a crash of each; so many calls, whichever they are.
pub fn two_callers(releases: usize, calls: u8) -> Account {
    let mut account = small(releases, None);
    account.name = "two callers, a crash of each";
    account.callers = 2;
    account.budget.crashes = 2;
    account.budget.calls = calls;
    account
}

/// One caller, and everything that AWS may do.
pub fn faults(releases: usize, broken: Option<Breakage>) -> Account {
    let mut account = small(releases, broken);
    account.name = "one caller, a crash, and AWS's faults";
    account.ages = vec![1, 2, 3, 4];
    account.budget =
        Budget { calls: u8::MAX, crashes: 1, failures: 2, deaths: 1, sick: 1, hidden: 1, over: 1, ..Budget::default() };
    account
}

/// One caller, and reads that lag behind what was just made, longer than the runner waits for them.
pub fn lag(releases: usize, broken: Option<Breakage>) -> Account {
    let mut account = small(releases, broken);
    account.name = "one caller, a crash, and reads that lag behind";
    account.budget = Budget { calls: u8::MAX, crashes: 1, hidden: 2, ..Budget::default() };
    account
}

/// One caller, whose jobs may have run out of their time.
pub fn late(releases: usize, broken: Option<Breakage>) -> Account {
    let mut account = small(releases, broken);
    account.name = "one caller, a crash, and jobs out of their time";
    let jobs = [Verb::Provision, Verb::Register, Verb::Promote];
    let late: Vec<Ask> = account.menu.iter().filter(|ask| jobs.contains(&ask.verb)).copied().collect();
    account.menu.extend(late.into_iter().map(|ask| Ask { late: true, ..ask }));
    account
}

/// One caller; the servers of rejected releases are kept a while, and old releases go.
pub fn kept(releases: usize) -> Account {
    let mut account = small(releases, None).configured(json!({ "keep_rejected_seconds": 1_000 }));
    account.name = "one caller, a crash, rejected servers kept for a look inside";
    account.ages = vec![1, 2, 3, 4];
    account
}

/// One caller, and a pool of elastic IPs with one address for all releases, beside one that is somebody else's.
pub fn pool(releases: usize) -> Account {
    let mut account = small(releases, None);
    account = account.configured(json!({ "elastic_ips": ["eipalloc-0", "eipalloc-1"] }));
    account.name = "one caller, a crash, and elastic IPs for one release only";
    account.budget.deaths = 1;
    account.starts = starts(&account, 1);
    account
}

/// One caller; a promotion goes in a step of half the weight, and bakes.
pub fn steps(releases: usize) -> Account {
    let config = json!({ "traffic": { "steps": [50], "step_seconds": 60 }, "bake_seconds": 60 });
    let mut account = small(releases, None).configured(config);
    account.name = "one caller, a crash, promotions in steps that bake";
    account.budget.sick = 1;
    account
}

/// One caller, a person who edits rules, and a config that changes.
pub fn people(releases: usize, broken: Option<Breakage>) -> Account {
    let mut account = small(releases, broken);
    account.name = "one caller, a crash, a person's edits and a config that changes";
    account.ages = vec![1, 2, 3];
    account.budget = Budget { calls: u8::MAX, crashes: 1, edits: 1, configs: 1, ..Budget::default() };
    account
}

/// Three releases, three callers, two servers a release, and everything.
pub fn wide(broken: Option<Breakage>) -> Account {
    let mut account = Account::new("three callers and everything", 2, broken);
    account.menu = menu(RELEASES, &ALL_VERBS);
    account.callers = 3;
    account.ages = vec![1, 2, 3, 4];
    account.budget = Budget {
        calls: u8::MAX,
        crashes: 3,
        failures: 2,
        deaths: 1,
        sick: 1,
        edits: 1,
        configs: 1,
        hidden: 1,
        over: 2,
    };
    account.judged_of = 16;
    account.starts = starts(&account, RELEASES);
    account
}

/// As wide, and with so much to go wrong that a long history at random meets all of it.
pub fn long(broken: Option<Breakage>) -> Account {
    let mut account = wide(broken);
    account.name = "long histories";
    account.budget = Budget {
        calls: u8::MAX,
        crashes: 12,
        failures: 12,
        deaths: 3,
        sick: 6,
        edits: 2,
        configs: 2,
        hidden: 4,
        over: 3,
    };
    account
}

/// Long histories of a service whose promotions go in steps.
pub fn long_steps() -> Account {
    let config = json!({ "traffic": { "steps": [50], "step_seconds": 60 }, "bake_seconds": 60 });
    let mut account = long(None).configured(config);
    account.name = "long histories, promotions in steps";
    account
}

/// An account in which nothing goes wrong by itself, with so many servers a release.
pub fn calm(count: u8) -> Account {
    Account::new("no faults", count, None)
}
