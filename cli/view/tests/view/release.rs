//! Which release is meant.

use domain::request::Verb;
use domain::tags::Role;
use plans::Standing;
use view::exit;
use view::release::{brief, meant};

use crate::world::{add, found, now, world};

#[test]
fn a_release_is_named_by_its_beginning_or_by_its_place() {
    let (_, service) = found();
    let mut world = world(&service);
    add(&mut world, &service, "r33", Role::Rejected);
    add(&mut world, &service, "x9", Role::Rejected);
    let standing = Standing::read(&service, &world, now()).unwrap();
    let found = |given, verb: &Verb| meant(given, verb, &standing).map(|id| id.to_string());
    assert_eq!(found(Some("r3"), &Verb::Promote), Ok("r3".to_owned()), "a whole name is meant before a beginning");
    assert_eq!(found(Some("x"), &Verb::Promote), Ok("x9".to_owned()));
    assert_eq!(found(None, &Verb::Promote), Ok("r3".to_owned()));
    assert_eq!(found(None, &Verb::Finish), Ok("r2".to_owned()));
    assert_eq!(found(Some("r9"), &Verb::Provision), Ok("r9".to_owned()), "a provision makes it");
    for (given, words) in [(Some("y"), "no release y"), (Some("r"), "begin with r: r1, r2, r3, r33")] {
        let fault = found(given, &Verb::Promote).unwrap_err();
        assert_eq!(fault.code, exit::REFUSED);
        assert!(fault.sentence.contains(words), "{fault:?}");
    }
}

#[test]
fn executions_are_shown_by_their_beginnings() {
    let id = "780d0d76-ee84-4673-84dd-e5fc41595eb9";
    assert_eq!(brief(&format!("release {id} is product; {id}.")), "release 780d0d76 is product; 780d0d76.");
    assert_eq!(brief(id), "780d0d76");
    for whole in ["r2", "i-0693b6f5788c72d3c", "780d0d76-ee84-4673-84dd-e5fc41595eb", "größer als 2026-11-21T23:46:15Z"]
    {
        assert_eq!(brief(whole), whole);
    }
    assert_eq!(brief(&format!("build-{id}")), format!("build-{id}"), "part of another name");
}
