//! The sentences of refusals, failures and waits, as the pipeline's red box and the answers show them.

use domain::id::{GroupArn, ListenerArn, ReleaseId, RuleArn, ServiceName};
use domain::refusal::{Failure, Hold, Refusal, WaitFor};
use domain::tags::WhichRule;
use domain::time::Time;

fn r(id: &str) -> ReleaseId {
    ReleaseId::new(id).unwrap()
}

fn lines<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn refusals_of_the_call_or_the_config() {
    let service = ServiceName::new("mobile-web").unwrap();
    let problems = || vec!["port is missing; write for example 8080".to_owned(), "colour is not known".to_owned()];
    insta::assert_snapshot!(lines(&[
        Refusal::BadCall { problems: vec!["\"release\" is missing".to_owned()] },
        Refusal::BadCall { problems: problems() },
        Refusal::BadConfig { service: service.clone(), problems: problems() },
        Refusal::UnknownService { service: service.clone(), known: vec![] },
        Refusal::UnknownService { service, known: vec!["admin".to_owned(), "mobile".to_owned()] },
        Refusal::Account { what: "listener arn:… does not exist".to_owned() },
    ]), @r#"
    the call is not right: "release" is missing

    the call is not right:
    - port is missing; write for example 8080
    - colour is not known

    the config of mobile-web is not right:
    - port is missing; write for example 8080
    - colour is not known

    service mobile-web is not configured. No service is. Add the variable SERVICE_MOBILE_WEB, or a parameter below SERVICES_PATH

    service mobile-web is not configured. Configured are admin, mobile. Add the variable SERVICE_MOBILE_WEB, or a parameter below SERVICES_PATH

    listener arn:… does not exist
    "#);
}

#[test]
fn refusals_by_where_the_release_stands() {
    let reason = || Some("it answers 500".to_owned());
    insta::assert_snapshot!(lines(&[
        Refusal::Rejected { release: r("r2"), reason: None },
        Refusal::Rejected { release: r("r2"), reason: reason() },
        Refusal::TornDown { release: r("r1") },
        Refusal::PromotionStuck { promoting: r("r2"), minutes: 75, frozen: false },
        Refusal::NoServers { release: r("r2") },
        Refusal::ServersMissing { release: r("r2"), running: 1, asked: 2 },
        Refusal::RegisterRetired { release: r("r1"), product: None },
        Refusal::RegisterRetired { release: r("r1"), product: Some(r("r2")) },
        Refusal::NotSeenByQa { release: r("r2"), seen: None },
        Refusal::NotSeenByQa { release: r("r2"), seen: Some("r3".to_owned()) },
        Refusal::PromoteRetired { release: r("r1"), product: None },
        Refusal::PromoteRetired { release: r("r1"), product: Some(r("r2")) },
        Refusal::NothingToGoBackTo { release: r("r2"), why: "no other release stands behind the product rule".to_owned() },
        Refusal::IsWayBack { release: r("r1"), product: Some(r("r2")) },
        Refusal::Kept { release: r("r2") },
        Refusal::NotProduct { release: r("r2"), product: None, reason: None },
        Refusal::NotProduct { release: r("r2"), product: Some("r3".to_owned()), reason: reason() },
    ]), @r#"
    release r2 was rejected: a new execution is needed (a retry keeps this one's id)

    release r2 was rejected (it answers 500): a new execution is needed (a retry keeps this one's id)

    release r1 was torn down: a new execution is needed (a retry keeps this one's id)

    release r2 is being promoted and its weights have stood for 75 minutes: end that first, by promote r2 or by teardown r2 with "action":"rollback"

    release r2 has no running servers: provision it first

    release r2 has 1 running servers, 2 were asked for: provision r2 again, it replaces what is missing

    release r1 was product and is retired: it is not registered again. Ship anew

    release r1 was product and is retired, r2 is product: it is not registered again. Ship anew

    QA did not see release r2: the pre-product rule forwards to nothing. Register r2 and have it tried, or promote what was tried

    QA did not see release r2: the pre-product rule forwards to r3. Register r2 and have it tried, or promote what was tried

    release r1 is retired: this call is late. To go back to it, roll back what is product

    release r1 is retired, r2 is product: this call is late. To go back to it, roll back r2

    release r2 cannot be rolled back: no other release stands behind the product rule. It serves on

    release r1 is the way back, r2 is product, and this call spares it (it is late, or a build before was tried again). To go back to r1, roll back r2

    release r2 was kept: its way back is gone. Ship anew

    release r2 is not product: nothing is

    release r2 is not product: r3 is; why it went: it answers 500
    "#);
}

#[test]
fn refusals_by_what_the_account_has() {
    let service = ServiceName::new("mobile-web").unwrap();
    let rule = || RuleArn::new("arn:rule/1");
    insta::assert_snapshot!(lines(&[
        Refusal::StrangeProductRule { service: service.clone(), rule: rule(), found: "its action is fixed-response".to_owned() },
        Refusal::StrangePreProductRule { service: service.clone(), rule: rule(), found: "it forwards to several groups".to_owned() },
        Refusal::TwoRules { service: service.clone(), which: WhichRule::Product, rules: vec![rule(), RuleArn::new("arn:rule/2")] },
        Refusal::PriorityTaken { which: WhichRule::PreProduct, priority: 10, rule: rule(), how: "Move that rule".to_owned() },
        Refusal::PoolTooSmall { release: r("r2"), free: 1, wanted: 2 },
        Refusal::GroupDiffers { group: "mobile-web-0a".to_owned(), found: "HTTP 8080".to_owned(), wanted: "HTTP 9090".to_owned() },
        Refusal::GroupNotOurs { service, release: r("r2"), name: "mobile-web-0a".to_owned(), group: GroupArn::new("arn:group/1") },
        Refusal::ListenerChanged { there: ListenerArn::new("arn:listener/1"), configured: ListenerArn::new("arn:listener/2") },
    ]), @"
    the product rule arn:rule/1 of mobile-web does what Pointsman never makes it do: its action is fixed-response. Put it right by hand (forward to groups of mobile-web alone, or to one group without our tags); until then nothing is changed

    the rule arn:rule/1 is tagged pointsman:rule=pre-product, and it forwards to several groups. Tag it pointsman:rule=product if it is the customers' rule of mobile-web, else delete it; until then nothing is changed

    two rules of the listener are product rules of mobile-web: arn:rule/1 and arn:rule/2. Delete the one that is not

    priority 10 of the listener holds a rule that is not ours: arn:rule/1. Move that rule

    the elastic IP pool has 1 addresses that nobody holds, r2 needs 2 more: add addresses to elastic_ips, or finish or tear down a release that holds some

    target group mobile-web-0a is for HTTP 8080, the config asks for HTTP 9090: a new release is needed

    a target group named mobile-web-0a exists that is not tagged as mobile-web's: arn:group/1. Tag it pointsman:service=mobile-web and pointsman:release=r2 if it is, else delete it

    product runs behind the listener arn:listener/1, the config names arn:listener/2: remove the service there first, or put the listener back into the config
    ");
}

#[test]
fn failures() {
    insta::assert_snapshot!(lines(&[
        Failure::NoCapacity { release: r("r2"), zones: vec!["subnet-0a: no t3.small".to_owned(), "subnet-0c: none".to_owned()], told: false },
        Failure::NotReady { release: r("r2"), seconds: 600, missing: "i-1: is being started".to_owned(), told: true },
        Failure::NotHealthy {
            release: r("r2"),
            seconds: 300,
            missing: "1 of 2 are healthy; i-1: unhealthy, Health checks failed with these codes: [502]".to_owned(),
            check: "HTTP /health on port 8080, 200".to_owned(),
        },
        Failure::Account { what: "access denied: ec2:RunInstances".to_owned() },
    ]), @"
    no capacity for r2 in any zone: subnet-0a: no t3.small; subnet-0c: none. What was made of it goes. Run the pipeline again later, or configure another instance type or subnet

    r2 was not ready after 600 seconds: i-1: is being started. What was made of it goes; look at the servers' own logs, then run the pipeline again

    r2 was not healthy within 300 seconds: 1 of 2 are healthy; i-1: unhealthy, Health checks failed with these codes: [502]. Look at the health check (HTTP /health on port 8080, 200) and the server's own log, then run the pipeline again

    access denied: ec2:RunInstances
    ");
}

#[test]
fn waits() {
    let waits = [
        WaitFor::Lease,
        WaitFor::Held(Hold {
            by: "alice".to_owned(),
            why: "the database is being moved".to_owned(),
            until: Time::from_seconds(1_795_258_800),
        }),
        WaitFor::Servers { release: r("r2"), missing: "i-1: is being started".to_owned() },
        WaitFor::Targets { release: r("r2"), missing: "1 of 2 are healthy".to_owned() },
        WaitFor::Addresses { release: r("r2"), wanted: 2, free: 0, coming: 2 },
        WaitFor::Promotion { promoting: r("r2") },
        WaitFor::Settling { seconds: 15 },
        WaitFor::Draining { targets: vec!["i-1".to_owned(), "i-2".to_owned()] },
        WaitFor::LettingGo { groups: vec!["mobile-web-0a".to_owned()] },
        WaitFor::Time,
        WaitFor::Aws { what: "Rate exceeded".to_owned() },
    ];
    let sentences = waits.map(|wait| domain::report::Outcome::Waiting(wait).sentence());
    insta::assert_snapshot!(sentences.join("\n"), @"
    waiting for another call of this service to end: it holds the lease
    waiting for alice to release the service, which is held until 2026-11-21T11:00:00Z: the database is being moved. `pointsman release-hold` ends it before
    waiting for servers of r2: i-1: is being started
    waiting for targets of r2: 1 of 2 are healthy
    waiting for elastic IPs: r2 needs 2 more, 0 are free and 2 are about to be
    waiting for the promotion of r2 to end
    waiting for the rule change to reach every load-balancer node, 15 s more
    waiting for requests under way to end on i-1, i-2
    waiting for the load balancer to let go of mobile-web-0a
    waiting for the next call: too little time is left in this one
    waiting for AWS: Rate exceeded
    ");
}
