//! Why a call is refused, why it failed, and what it waits for: each a value with a name, and a sentence for people.

use std::fmt;

use crate::check::Phase;
use crate::id::{GroupArn, ListenerArn, ReleaseId, RuleArn, ServiceName};
use crate::nearest::did_you_mean;
use crate::tags::WhichRule;
use crate::time::Time;

/// The caller's to mend: nothing that was asked for is done.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("{}", bulleted("the call is not right", problems))]
    BadCall { problems: Vec<String> },
    #[error("service {service} is not configured{}. {} Add the variable {}, or a parameter below SERVICES_PATH", did_you_mean(service.as_str(), known.iter().map(String::as_str)), known_services(known), service.variable())]
    UnknownService { service: ServiceName, known: Vec<String> },
    #[error("{}", bulleted(&format!("the config of {service} is not right"), problems))]
    BadConfig { service: ServiceName, problems: Vec<String> },
    #[error(
        "the product rule {rule} of {service} does what Pointsman never makes it do: {found}. Put it right by hand (forward to groups of {service} alone, or to one group without our tags); until then nothing is changed"
    )]
    StrangeProductRule { service: ServiceName, rule: RuleArn, found: String },
    #[error(
        "the rule {rule} is tagged pointsman:rule=pre-product, and {found}. Tag it pointsman:rule=product if it is the customers' rule of {service}, else delete it; until then nothing is changed"
    )]
    StrangePreProductRule { service: ServiceName, rule: RuleArn, found: String },
    #[error(
        "release {release} was rejected{}: a new execution is needed (a retry keeps this one's id)",
        because(reason)
    )]
    Rejected { release: ReleaseId, reason: Option<String> },
    #[error("release {release} was torn down: a new execution is needed (a retry keeps this one's id)")]
    TornDown { release: ReleaseId },
    #[error(
        "release {promoting} is being promoted and its weights have stood for {minutes} minutes: end that first, by promote {promoting}{} or by teardown {promoting} with \"action\":\"rollback\"",
        if *frozen { " and \"despite_alarms\":true, for it is frozen," } else { "" }
    )]
    PromotionStuck { promoting: ReleaseId, minutes: i64, frozen: bool },
    #[error(
        "the elastic IP pool has {free} addresses that nobody holds, {release} needs {wanted} more: add addresses to elastic_ips, or finish or tear down a release that holds some"
    )]
    PoolTooSmall { release: ReleaseId, free: usize, wanted: usize },
    #[error("release {release} has no running servers: provision it first")]
    NoServers { release: ReleaseId },
    #[error(
        "release {release} has {running} running servers, {asked} were asked for: provision {release} again, it replaces what is missing"
    )]
    ServersMissing { release: ReleaseId, running: usize, asked: usize },
    #[error("release {release} was product and is retired{}: it is not registered again. Ship anew", way_back(product))]
    RegisterRetired { release: ReleaseId, product: Option<ReleaseId> },
    #[error("priority {priority} of the listener holds a rule that is not ours: {rule}. {how}")]
    PriorityTaken { which: WhichRule, priority: u32, rule: RuleArn, how: String },
    #[error("target group {group} is for {found}, the config asks for {wanted}: a new release is needed")]
    GroupDiffers { group: String, found: String, wanted: String },
    #[error(
        "a target group named {name} exists that is not tagged as {service}'s: {group}. Tag it pointsman:service={service} and pointsman:release={release} if it is, else delete it"
    )]
    GroupNotOurs { service: ServiceName, release: ReleaseId, name: String, group: GroupArn },
    #[error(
        "QA did not see release {release}: the pre-product rule forwards to {}. Register {release} and have it tried, or promote what was tried",
        or_nothing(seen)
    )]
    NotSeenByQa { release: ReleaseId, seen: Option<String> },
    #[error(
        "{} before {release} has any traffic, which would hide what {release} does: wait until it is green; or, where what is product now is what makes it red, promote with \"despite_alarms\":true",
        red(alarms)
    )]
    AlarmsRed { release: ReleaseId, alarms: Vec<(String, String)> },
    #[error(
        "release {release} could not be examined {phase}: {}. Nothing is held against it, and it goes no further: mend the check, then call again",
        checks(verdicts)
    )]
    NotExamined { release: ReleaseId, phase: Phase, verdicts: Vec<(String, String)> },
    #[error(
        "what QA saw of release {release} is gone: {what}. Have it tried again: register {release}, then approve and promote it"
    )]
    NotAsSeen { release: ReleaseId, what: String },
    #[error("release {release} is retired{}: this call is late. To go back to it, roll back {}", way_back(product), product.as_ref().map_or_else(|| "what is product".to_owned(), ToString::to_string))]
    PromoteRetired { release: ReleaseId, product: Option<ReleaseId> },
    #[error(
        "somebody took the traffic of release {release} away by hand{}: it goes no further. Roll it back, or give it its weight again by hand and promote it",
        way_back(product)
    )]
    TakenAway { release: ReleaseId, product: Option<ReleaseId> },
    #[error(
        "product runs behind the listener {there}, the config names {configured}: remove the service there first, or put the listener back into the config"
    )]
    ListenerChanged { there: ListenerArn, configured: ListenerArn },
    #[error("two rules of the listener are product rules of {service}: {}. Delete the one that is not", .rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "))]
    TwoRules { service: ServiceName, which: WhichRule, rules: Vec<RuleArn> },
    #[error("release {release} cannot be rolled back: {why}. It serves on")]
    NothingToGoBackTo { release: ReleaseId, why: String },
    #[error(
        "release {release} is the way back{}, and this call spares it (it is late, or a build before was tried again). To go back to {release}, roll back {}",
        way_back(product), product.as_ref().map_or_else(|| "what is product".to_owned(), ToString::to_string)
    )]
    IsWayBack { release: ReleaseId, product: Option<ReleaseId> },
    #[error("release {release} was kept: its way back is gone. Ship anew")]
    Kept { release: ReleaseId },
    #[error("{}", not_product(release, product, reason))]
    NotProduct { release: ReleaseId, product: Option<String>, reason: Option<String> },
    #[error("{what}")]
    Account { what: String },
}

/// AWS's or the account's: it was tried, and cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    #[error("no capacity for {release} in any zone: {}. What was made of it goes. Run the pipeline again later, or configure another instance type or subnet", zones.join("; "))]
    NoCapacity { release: ReleaseId, zones: Vec<String>, told: bool },
    #[error(
        "{release} was not ready after {seconds} seconds: {missing}. What was made of it goes; look at the servers' own logs, then run the pipeline again"
    )]
    NotReady { release: ReleaseId, seconds: i64, missing: String, told: bool },
    #[error(
        "{release} was not healthy within {seconds} seconds: {missing}. Look at the health check ({check}) and the server's own log, then run the pipeline again"
    )]
    NotHealthy { release: ReleaseId, seconds: i64, missing: String, check: String },
    #[error("{} while {release} had {percent} % of the traffic. {what}", red(alarms))]
    AlarmWentOff { release: ReleaseId, percent: u32, alarms: Vec<(String, String)>, what: String, told: bool },
    #[error("the servers of {release} are not healthy while it had {percent} % of the traffic: {missing}. {what}")]
    Sick { release: ReleaseId, percent: u32, missing: String, what: String, told: bool },
    #[error(
        "the weights of {release} ({percent} %) were frozen at {since} (on_alarm is freeze): go on with promote {release} and \"despite_alarms\":true, or go back with teardown {release} and \"action\":\"rollback\""
    )]
    Frozen { release: ReleaseId, percent: u32, since: Time },
    #[error("release {release} did not pass its checks {phase}: {}. {what}", checks(verdicts))]
    CheckFailed { release: ReleaseId, phase: Phase, verdicts: Vec<(String, String)>, what: String, told: bool },
    #[error("{what}")]
    Account { what: String },
}

/// That somebody holds a service: nobody else changes it meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// It ends by itself then.
    pub until: Time,
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, why, until } = self;
        write!(
            f,
            "{by} to release the service, which is held until {until}: {why}. `pointsman release-hold` ends it before"
        )
    }
}

/// What a call waits for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WaitFor {
    #[error("another call of this service to end: it holds the lease")]
    Lease,
    #[error("{0}")]
    Held(Hold),
    #[error("servers of {release}: {missing}")]
    Servers { release: ReleaseId, missing: String },
    #[error("targets of {release}: {missing}")]
    Targets { release: ReleaseId, missing: String },
    #[error("elastic IPs: {release} needs {wanted} more, {free} are free and {coming} are about to be")]
    Addresses { release: ReleaseId, wanted: usize, free: usize, coming: usize },
    #[error("the promotion of {promoting} to end")]
    Promotion { promoting: ReleaseId },
    #[error("{release} to have stood {seconds} s more with {percent} % of the traffic; {next} % come next")]
    Step { release: ReleaseId, percent: u32, next: u32, seconds: i64 },
    #[error("{release} to be watched for {seconds} s more; it has all of the traffic")]
    Bake { release: ReleaseId, seconds: i64 },
    #[error("the rule change to reach every load-balancer node, {seconds} s more")]
    Settling { seconds: i64 },
    #[error("requests under way to end on {}", targets.join(", "))]
    Draining { targets: Vec<String> },
    #[error("the load balancer to let go of {}", groups.join(", "))]
    LettingGo { groups: Vec<String> },
    #[error("the next call: too little time is left in this one")]
    Time,
    #[error("AWS: {what}")]
    Aws { what: String },
}

impl WaitFor {
    /// The release's share of the traffic in percent, where it is watched with it.
    pub const fn percent(&self) -> Option<u32> {
        match self {
            Self::Step { percent, .. } => Some(*percent),
            Self::Bake { .. } => Some(100),
            Self::Lease
            | Self::Held(_)
            | Self::Servers { .. }
            | Self::Targets { .. }
            | Self::Addresses { .. }
            | Self::Promotion { .. }
            | Self::Settling { .. }
            | Self::Draining { .. }
            | Self::LettingGo { .. }
            | Self::Time
            | Self::Aws { .. } => None,
        }
    }
}

/// A heading, and what belongs below it: on one line when there is one, else a line each.
fn bulleted(heading: &str, items: &[String]) -> String {
    match items {
        [one] => format!("{heading}: {one}"),
        many => format!("{heading}:\n{}", many.iter().map(|item| format!("- {item}")).collect::<Vec<_>>().join("\n")),
    }
}

fn known_services(known: &[String]) -> String {
    if known.is_empty() { "No service is.".to_owned() } else { format!("Configured are {}.", known.join(", ")) }
}

/// Red alarms, each with CloudWatch's reason.
fn red(alarms: &[(String, String)]) -> String {
    let each: Vec<String> = alarms
        .iter()
        .map(|(name, reason)| if reason.is_empty() { name.clone() } else { format!("{name} ({reason})") })
        .collect();
    match each.as_slice() {
        [one] => format!("alarm {one} is red"),
        many => format!("the alarms {} are red", many.join(" and ")),
    }
}

/// Checks, each with what it says.
pub fn checks(verdicts: &[(String, String)]) -> String {
    verdicts.iter().map(|(check, why)| format!("check {check}: {why}")).collect::<Vec<_>>().join("; ")
}

fn because(reason: &Option<String>) -> String {
    reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
}

fn way_back(product: &Option<ReleaseId>) -> String {
    product.as_ref().map(|product| format!(", {product} is product")).unwrap_or_default()
}

fn went(reason: &Option<String>) -> String {
    reason.as_ref().map(|reason| format!("; why it went: {reason}")).unwrap_or_default()
}

fn not_product(release: &ReleaseId, product: &Option<String>, reason: &Option<String>) -> String {
    if product.as_deref() == Some(release.as_str()) {
        return format!(
            "release {release} is tagged product, and no product rule names it: register {release}, then promote it, and the rule is made again"
        );
    }
    format!("release {release} is not product: {} is{}", or_nothing(product), went(reason))
}

fn or_nothing(what: &Option<String>) -> String {
    what.clone().unwrap_or_else(|| "nothing".to_owned())
}

impl Failure {
    /// Whether the steps that led to it told people already, because what would remember it went with them.
    pub const fn was_told(&self) -> bool {
        match self {
            Self::NoCapacity { told, .. }
            | Self::NotReady { told, .. }
            | Self::AlarmWentOff { told, .. }
            | Self::Sick { told, .. }
            | Self::CheckFailed { told, .. } => *told,
            Self::NotHealthy { .. } | Self::Frozen { .. } | Self::Account { .. } => false,
        }
    }
}
