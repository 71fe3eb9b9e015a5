//! Any tags on what really stands: people edit them, and then every function is called.

use fuzz::choices::Choices;
use gateway::Aws;
use local::standing::{Standing, Tagged};
use local::{Result, Trouble};
use serde_json::{Value, json};

use crate::Ran;
use crate::lane::{FUNCTIONS, How, Lane};

/// How many tags are changed before the functions are called.
const CHANGES: usize = 4;
/// How often tags are changed in one account before it is made anew.
const ROUNDS: usize = 6;

const KEYS: [&str; 14] = [
    "service", "release", "role", "since", "rule", "reason", "kept", "told", "out", "count", "port", "listener",
    "launch", "pipeline",
];
const VALUES: [&str; 22] = [
    "mobile-web",
    "payroll",
    "r1",
    "r2",
    "r3",
    "r9",
    "product",
    "pre-product",
    "retired",
    "rejected",
    "2026-11-21T10:00:00Z",
    "2020-01-01T00:00:00Z",
    "2099-01-01T00:00:00Z",
    "0",
    "1",
    "99999",
    "4294967295",
    "subnet-0a/0/2",
    "subnet-0a/4294967295/7",
    "the service was removed",
    "nonsense of somebody",
    "",
];

/// Changes tags and calls every function, so many times.
///
/// # Errors
/// Where the account itself fails.
pub async fn run(rounds: u64, seed: u64) -> Result<Ran> {
    let mut ran = Ran::default();
    let mut c = Choices::random(seed);
    let mut accounts = 0;
    while ran.points < rounds && ran.broken.len() < 3 {
        accounts += 1;
        let (mut lane, service) = prepared().await?;
        for _ in 0..ROUNDS {
            let changed = change(&lane, &mut c).await?;
            let story = format!("account {accounts} of seed {seed}, after {changed:#?}");
            if let Err(broken) = call_all(&mut lane, &service, &mut c, &mut ran).await {
                ran.breaks(format!("{story}\n{broken}"));
                break;
            }
            ran.points += 1;
        }
    }
    Ok(ran)
}

/// An account with a product, its way back, and a release that QA tries.
async fn prepared() -> Result<(Lane, String)> {
    let mut lane = Lane::start().await?;
    let service = crate::lane::SERVICE.to_owned();
    for (release, functions) in [("r1", 3), ("r2", 3), ("r3", 2)] {
        for function in FUNCTIONS.iter().take(functions) {
            let called = lane.until_over(function, &json!({"service": service, "release": release})).await?;
            if called.status() != "done" {
                return Err(Trouble::new(called.story()));
            }
        }
    }
    Ok((lane, service))
}

/// A person edits tags.
async fn change(lane: &Lane, c: &mut Choices) -> Result<Vec<String>> {
    let standing = lane.look().await?;
    let moto = lane.stack.moto();
    let mut changed = Vec::new();
    for _ in 0..=c.upto(CHANGES) {
        let key = format!("pointsman:{}", c.word(&KEYS));
        let value = (!c.chance(30)).then(|| c.word(&VALUES));
        let places = standing.instances.len() + standing.groups.len() + standing.rules.len();
        let at = c.upto(places.saturating_sub(1));
        let instance = standing.instances.get(at).map(|instance| &instance.id);
        let mut arns =
            standing.groups.iter().map(|group| &group.arn).chain(standing.rules.iter().map(|rule| &rule.arn));
        let arn = arns.nth(at.saturating_sub(standing.instances.len()));
        let Some(resource) = instance.or(arn) else { continue };
        tag(&moto, resource, instance.is_some(), &key, value).await?;
        changed.push(format!("{resource}: {key} = {value:?}"));
    }
    Ok(changed)
}

async fn tag(moto: &Aws, resource: &str, instance: bool, key: &str, value: Option<&str>) -> Result<()> {
    let (service, resources, tag, add, remove) = match instance {
        true => ("ec2", "ResourceId.1", "Tag.1", "CreateTags", "DeleteTags"),
        false => ("elasticloadbalancing", "ResourceArns.member.1", "Tags.member.1", "AddTags", "RemoveTags"),
    };
    let (tag_key, tag_value) = (format!("{tag}.Key"), format!("{tag}.Value"));
    match (value, instance) {
        (Some(value), _) => {
            moto.query(service, add, &[(resources, resource), (&tag_key, key), (&tag_value, value)]).await?;
        }
        (None, true) => {
            moto.query(service, remove, &[(resources, resource), (&tag_key, key)]).await?;
        }
        (None, false) => {
            moto.query(service, remove, &[(resources, resource), ("TagKeys.member.1", key)]).await?;
        }
    }
    Ok(())
}

/// Calls every function about every release, and asks after each what it did to what had weight.
async fn call_all(lane: &mut Lane, service: &str, c: &mut Choices, ran: &mut Ran) -> Result<()> {
    let release = c.word(&["r1", "r2", "r3", "r4"]);
    let ask = |action: Option<&str>| match action {
        None => json!({"service": service, "release": release}),
        Some(action) => json!({"service": service, "release": release, "action": action}),
    };
    let mut calls: Vec<(&str, Value, How)> = vec![
        ("provision", ask(None), How::Job),
        ("register", ask(None), How::Job),
        ("promote", ask(None), How::Job),
        ("teardown", ask(Some("finish")), How::Job),
        ("teardown", ask(Some("rollback")), How::Direct),
        ("teardown", Lane::event(1, release), How::Event),
        ("teardown", Lane::event(3, release), How::Event),
        ("teardown", Lane::event(0, ""), How::Event),
    ];
    for n in (1..calls.len()).rev() {
        calls.swap(n, c.upto(n));
    }
    for (function, ask, how) in calls {
        let before = lane.look().await?;
        let called = lane.call(function, &ask, how).await?;
        ran.count(format!("{function}: {}", called.status()));
        lane.judge(&called, how).map_err(Trouble::new)?;
        let after = lane.look().await?;
        keeps(&before, &after).map_err(|broken| Trouble::new(format!("{broken}\n{}", called.story())))?;
    }
    Ok(())
}

/// What a rule sends weight to after a call has every server that it had before.
fn keeps(before: &Standing, after: &Standing) -> std::result::Result<(), String> {
    for rule in &after.rules {
        for (arn, _) in rule.forward.iter().filter(|(_, weight)| *weight > 0) {
            let Some(had) = before.groups.iter().find(|group| group.arn == *arn) else { continue };
            let Some(has) = after.groups.iter().find(|group| group.arn == *arn) else {
                return Err(format!("{arn} has weight in {} and was deleted", rule.arn));
            };
            let serving =
                |standing: &Standing, id: &str| standing.instances.iter().any(|i| i.id == id && i.state == "running");
            for (id, _) in had.targets.iter().filter(|(id, state)| state != "draining" && serving(before, id)) {
                let stays = has.targets.iter().any(|(target, state)| target == id && state != "draining");
                // Register takes out of QA's group what is not its release's, by the tags.
                let qas = rule.tag("rule") == "pre-product";
                if !(qas || stays && serving(after, id)) {
                    return Err(format!("{id} served for {arn}, which has weight in {}, and was taken away", rule.arn));
                }
            }
        }
    }
    Ok(())
}
