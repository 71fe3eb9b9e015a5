//! What stands.

use domain::refusal::Hold;
use domain::tags;
use domain::world::{Alarm, World};
use view::price::Price;
use view::status::{self, Status};

use crate::plain;
use crate::world::{add, found, found_with, now, sicken, tag, world};

fn shown(status: &Status) -> String {
    plain(&status::text(status))
}

#[test]
fn everything_is_well() {
    let (found, service) = found();
    let status = status::read(&found, &service, &world(&service), None, now());
    insta::assert_snapshot!(plain(&status::heading(&service)) + &shown(&status), @"
    mobile-web  m.example.com
      product      r2  100 %  2 of 2 healthy  for 1 h
      way back     r1    0 %  2 of 2 healthy  for 1 h
      pre-product  r3    0 %  2 of 2 healthy  for 1 h, goes in 7 d 23 h
      rollback: to r1, in one change
      paid for: 6 servers, 4 of them not product's
    ");
}

#[test]
fn what_is_not_well_is_said_with_its_reasons() {
    let (found, service) = found_with(|config| {
        config["retired_ttl_seconds"] = 86_400.into();
        config["alarms"] = serde_json::json!(["mobile-5xx"]);
    });
    let mut world = world(&service);
    sicken(&mut world, "r1");
    add(&mut world, &service, "r0", tags::Role::Rejected);
    tag(&mut world, "r0", tags::REASON, "check smoke: no answer");
    let red = Alarm::Red { since: now() + -60, reason: "Threshold Crossed".to_owned() };
    world.alarms.insert("mobile-5xx".to_owned(), red);
    let hold = Hold { by: "alice".to_owned(), why: "the database moves".to_owned(), until: now() + 7200 };
    let status = status::read(&found, &service, &world, Some(&hold), now());
    insta::assert_snapshot!(shown(&status), @"
    held by alice until 2026-11-21T12:00:00Z: the database moves
    product      r2  100 %  2 of 2 healthy  for 1 h
    way back     r1    0 %  1 of 2 healthy  for 1 h, goes in 23 h
                 i-r1-1: unhealthy, Health checks failed with these codes: [502]
    pre-product  r3    0 %  2 of 2 healthy  for 1 h, goes in 7 d 23 h
    rejected     r0    0 %  2 of 2 healthy  for 1 h, goes with the next sweep
                 check smoke: no answer
    rollback: r1 could not serve in full now, for 23 h still
    mobile-5xx is red since 2026-11-21T09:59:00Z: Threshold Crossed
    paid for: 8 servers, 6 of them not product's
    ");
}

#[test]
fn a_retired_release_that_left_the_rule_goes_with_the_next_sweep_whatever_the_way_back_has() {
    let (found, service) = found_with(|config| config["retired_ttl_seconds"] = 86_400.into());
    let mut world = world(&service);
    add(&mut world, &service, "r0", tags::Role::Retired);
    let text = shown(&status::read(&found, &service, &world, None, now()));
    let row = |release: &str| text.lines().find(|line| line.contains(release)).unwrap().to_owned();
    assert!(row(" r0 ").contains("retired") && row(" r0 ").contains("goes with the next sweep"), "{text}");
    assert!(row(" r1 ").contains("goes in 23 h"), "{text}");
}

/// An answer of the price list with these prices.
fn listed(prices: &[&str]) -> serde_json::Value {
    let entry = |price: &&str| {
        let dimension = serde_json::json!({"unit": "Hrs", "pricePerUnit": {"USD": price}});
        serde_json::json!({"terms": {"OnDemand": {"A.B": {"priceDimensions": {"A.B.C": dimension}}}}}).to_string()
    };
    serde_json::json!({"PriceList": prices.iter().map(entry).collect::<Vec<_>>()})
}

#[test]
fn what_is_kept_has_its_price() {
    let (found, service) = found();
    let mut status = status::read(&found, &service, &world(&service), None, now());
    status.costs.price = Price::read("t3.small", &listed(&["0.0208000000"]));
    let text = shown(&status);
    let line = text.lines().find(|line| line.contains("paid for")).unwrap();
    assert_eq!(
        line,
        "  paid for: 6 servers (0.1248 USD), 4 of them not product's (0.0832 USD); by the hour, t3.small on demand"
    );
}

#[test]
fn a_price_that_is_not_plain_is_none() {
    for list in [listed(&[]), listed(&["0.0208", "0.0416"]), listed(&["0.0000000000"]), listed(&["free"]), "?".into()] {
        assert_eq!(Price::read("t3.small", &list), None, "{list}");
    }
}

#[test]
fn nothing_is_there_yet() {
    let (found, service) = found();
    let status = status::read(&found, &service, &World::default(), None, now());
    assert_eq!(shown(&status), "  Nothing of it is there yet.\n");
}

#[test]
fn scripts_get_every_field() {
    let (found, service) = found();
    let status = status::read(&found, &service, &world(&service), None, now());
    let json = serde_json::to_value(&status).unwrap();
    assert_eq!(json["releases"][0]["release"], "r2");
    assert_eq!(json["releases"][0]["percent"], 100);
    assert_eq!(json["rollback"]["ready"], true);
    assert_eq!(json["costs"]["servers"], 6);
    assert_eq!(json["held"], serde_json::Value::Null);
}
