//! Which release is meant.

use domain::request::{RollbackScope, Verb};
use domain::tags::{self, Role};
use domain::world::{Instance, InstanceState};
use plans::Standing;
use view::exit;
use view::release::{brief, is_left, meant};

use crate::world::{add, arn, found, now, release, tag, world};

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
    let empty = found(Some(""), &Verb::Promote).unwrap_err();
    assert_eq!(empty.code, exit::USAGE, "a script's variable that was not set means nothing");
    for (given, words) in [(Some("y"), "no release y"), (Some("r"), "begin with r: r1, r2, r3, r33")] {
        let fault = found(given, &Verb::Promote).unwrap_err();
        assert_eq!(fault.code, exit::REFUSED);
        assert!(fault.sentence.contains(words), "{fault:?}");
    }
}

#[test]
fn a_rollback_does_not_take_the_way_back_for_the_bad_release() {
    let (_, service) = found();
    let world = world(&service);
    let standing = Standing::read(&service, &world, now()).unwrap();
    let rollback = Verb::Rollback { reason: "by hand".to_owned(), scope: RollbackScope::ToTheEnd };
    assert_eq!(meant(None, &rollback, &standing).unwrap().as_str(), "r2");
    let fault = is_left(&release("r1"), &standing).unwrap_err();
    assert_eq!(fault.code, exit::REFUSED);
    assert!(
        fault.sentence.contains("r1 is the way back") && fault.sentence.contains("`pointsman rollback mobile-web`")
    );
    assert_eq!(is_left(&release("r2"), &standing), Ok(()));
    assert_eq!(is_left(&release("r3"), &standing), Ok(()));
}

#[test]
fn what_is_gone_is_not_meant_beside_what_stands() {
    let (_, service) = found();
    let mut world = world(&service);
    add(&mut world, &service, "ab1", Role::Rejected);
    add(&mut world, &service, "ab2", Role::Rejected);
    world.groups.retain(|group| group.arn != arn("ab2"));
    let gone = |instance: &&mut Instance| instance.id.as_str().starts_with("i-ab2");
    world.instances.iter_mut().filter(gone).for_each(|instance| instance.state = InstanceState::Terminated);
    let standing = Standing::read(&service, &world, now()).unwrap();
    assert_eq!(meant(Some("ab"), &Verb::Finish, &standing).unwrap().as_str(), "ab1");
    assert_eq!(meant(Some("ab2"), &Verb::Finish, &standing).unwrap().as_str(), "ab2", "by its whole name it is");
    let fault = meant(Some("x"), &Verb::Finish, &standing).unwrap_err();
    assert!(fault.sentence.ends_with("There are ab1, r1, r2, r3."), "{fault:?}");
}

#[test]
fn a_removal_that_was_cut_off_goes_on_by_itself() {
    let (_, service) = found();
    let mut world = world(&service);
    world.rules.clear();
    tag(&mut world, "r2", tags::ROLE, "rejected");
    tag(&mut world, "r2", tags::REASON, plans::REMOVED);
    let standing = Standing::read(&service, &world, now()).unwrap();
    assert_eq!(meant(None, &Verb::Remove, &standing).unwrap().as_str(), "r2");
    assert!(meant(None, &Verb::Finish, &standing).is_err());
}

#[test]
fn a_provision_knows_an_execution_by_what_is_shown_of_it() {
    let (_, service) = found();
    let mut world = world(&service);
    let id = "780d0d76-ee84-4673-84dd-e5fc41595eb9";
    add(&mut world, &service, id, Role::Rejected);
    let standing = Standing::read(&service, &world, now()).unwrap();
    assert_eq!(meant(Some("780d0d76"), &Verb::Provision, &standing).unwrap().as_str(), id);
    assert_eq!(meant(Some("780d"), &Verb::Provision, &standing).unwrap().as_str(), "780d", "a new one");
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
