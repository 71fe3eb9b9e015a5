//! The demo's five stories, with real servers and customers who ask all the time.

use local::customers::Customers;
use local::pictures::{self, Told};
use local::revision::Changes;
use local::shares::Shares;
use local::stack::{Approval, PATIENCE};
use local::story::{Release, Story};
use local::web::Web;
use local::{Options, Stack, service};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{SERVICE, done, teardown};

/// A stack with real servers, and the folder they are in.
async fn stack() -> (Stack, TempDir) {
    stack_with(Options::new()).await
}

async fn stack_with(options: Options) -> (Stack, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { folder: folder.path().to_owned(), ..options };
    (Stack::start(options).await.unwrap(), folder)
}

fn customers(stack: &Stack) -> Customers {
    let host = service::host(&stack.config_of(&stack.options().service), "product");
    Customers::of(&stack.load_balancer_url(), &host)
}

/// Half of the customers for an hour, and whoever was served keeps his release.
fn sticky(config: &mut Value) {
    config["traffic"] = json!({"steps": [50], "step_seconds": 3600, "stickiness_seconds": 300});
}

/// They got an answer each time.
fn none_was_lost(customers: &Customers) {
    let tally = customers.tally();
    assert!(tally.requests > 0);
    assert_eq!(tally.failures, 0, "of {}: {:?}", tally.requests, tally.failed);
}

/// The first release, and customers who ask for it from then on.
async fn first<'a>(stack: &'a Stack) -> (Story<'a>, Release, Customers) {
    let story = Story::new(stack, None);
    let one = story.first("1").await.unwrap();
    (story, one, customers(stack))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_shipped_and_promoted_and_the_next_one_takes_its_place() {
    let (stack, _folder) = stack().await;
    let (story, one, customers) = first(&stack).await;
    story.next("2", &one).await.unwrap();
    none_was_lost(&customers);
    assert!(customers.tally().versions.keys().eq(["1", "2"]), "{:?}", customers.tally());
    assert_eq!(stack.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_release_that_is_rejected_gives_product_back() {
    let (stack, _folder) = stack().await;
    let (story, one, customers) = first(&stack).await;
    story.rejected("2", &one, "the basket loses its articles").await.unwrap();
    none_was_lost(&customers);
    assert_eq!(stack.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_release_that_cannot_be_deployed_nothing_is_left() {
    let (stack, _folder) = stack().await;
    let (story, one, customers) = first(&stack).await;
    story.not_deployed("2", &one, "no module named basket").await.unwrap();
    none_was_lost(&customers);
    assert!(customers.tally().versions.keys().eq(["1"]), "{:?}", customers.tally());
    assert_eq!(stack.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_an_alarm_stops_gives_back_what_it_had_and_the_pictures_say_when() {
    let (stack, _folder) = stack_with(Options { in_parameter: true, ..Options::new() }).await;
    let (story, one, customers) = first(&stack).await;
    let shares = Shares::follow(&stack);
    let (two, alarmed) = story.canary("2", &one).await.unwrap();
    none_was_lost(&customers);
    let (alarms, releases) = (vec![(alarmed, two.version.clone())], vec![one, two]);
    let html = pictures::of(&Told { tally: customers.tally(), shares: shares.so_far(), releases, alarms }).html();
    for mark in ["step: 2 gets 10 %", "alarm: goes off with 2", "rollback: 1 gets all again"] {
        assert_eq!(html.matches(mark).count(), 3, "{mark}");
    }
    assert_eq!(html.matches("\"tone\":").count(), 9, "and nothing else is marked");
    assert_eq!(stack.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_keeps_the_release_that_served_him_in_a_step_and_leaves_it_when_it_is_rolled_back() {
    let (stack, _folder) = stack_with(Options { change: sticky, ..Options::new() }).await;
    let (_story, _one, customers) = first(&stack).await;
    let two = stack.ship(SERVICE, "2", &Changes::default()).await.unwrap();
    stack.answer(SERVICE, &two, "ShipIt", Approval::Approved, "half of them first").await.unwrap();

    // One of new customers gets the new release, once it has its half.
    let host = service::host(&stack.config_of(SERVICE), "product");
    let version = async |customer: &Web| customer.get(&host, "/version").await.unwrap().body;
    let mut changes = stack.machines().unwrap().load_balancer().passes();
    let one_of_many = async {
        loop {
            for _ in 0..40 {
                let customer = Web::new(&stack.load_balancer_url());
                if version(&customer).await == "2" {
                    return customer;
                }
            }
            changes.changed().await.unwrap();
        }
    };
    let customer = tokio::time::timeout(PATIENCE, one_of_many).await.expect("nobody gets the new release");
    for _ in 0..50 {
        assert_eq!(version(&customer).await, "2");
    }
    done(&stack, "teardown", &teardown(SERVICE, &two, "rollback")).await;
    assert_eq!(version(&customer).await, "1", "his cookie names a group that is in no rule any more");
    none_was_lost(&customers);
}
