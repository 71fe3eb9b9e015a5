//! What was approved is what is promoted.

use domain::id::InstanceId;
use domain::plan::End;
use domain::request::Request;

use crate::account::Registered;
use crate::build::world;
use crate::course::{promote, register};

#[test]
fn register_says_and_writes_what_qa_sees() {
    let course = world().product("r1").provisioned("r2").later(120).call(&register("r2"));
    let Some(End::Done(done)) = &course.end else { panic!("{}", course.story()) };
    let fingerprint = done.outputs["Fingerprint"].clone();
    assert_eq!(fingerprint.len(), 12);
    let account = course.done();
    let tag = account.tags_of("r2").into_iter().find_map(|tags| tags.get("pointsman:fingerprint")).unwrap();
    assert!(tag.starts_with(&format!("{fingerprint} i-r2-")), "{tag}");
    assert_eq!(account.call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
}

#[test]
fn what_was_approved_is_gone_a_server_was_replaced_refused_with_its_id() {
    let account = world().product("r1").provisioned("r2").later(120).call(&register("r2")).done();
    let config = account.config.clone();
    let account = account.dies("r2", 1).configured(config).call(&crate::course::provision("r2")).done();
    let words = account.call(&promote("r2")).refused();
    assert!(words.starts_with("what QA saw of release r2 is gone: i-r2-1 no longer runs"), "{words}");
    assert!(words.ends_with("register r2, then approve and promote it"), "{words}");
}

#[test]
fn the_fingerprint_that_was_approved_is_the_one_the_caller_gives() {
    let account = world().product("r1").provisioned("r2").later(120).call(&register("r2")).done();
    let approved = Request { fingerprint: Some("0123456789ab".to_owned()), ..promote("r2") };
    let words = account.call(&approved).refused();
    assert!(words.contains("its fingerprint was 0123456789ab and is"), "{words}");
}

#[test]
fn a_stranger_among_the_targets_is_nothing_that_qa_saw() {
    let mut account = world().product("r1").pre_product("r2").later(60).call(&register("r2")).done();
    let group = account.groups.values_mut().find(|group| group.tags.get("pointsman:release").unwrap() == "r2").unwrap();
    let since = account.now + -60;
    group.targets.insert(InstanceId::new("i-stranger"), Registered { since, drains_until: None });
    let words = account.call(&promote("r2")).refused();
    insta::assert_snapshot!(words, @"what QA saw of release r2 is gone: i-stranger is a target of its group and none of its servers (i-r2-1, i-r2-2). Have it tried again: register r2, then approve and promote it");
}

#[test]
fn what_is_promoted_says_its_fingerprint_again() {
    let account = world().product("r1").pre_product("r2").later(60).call(&register("r2")).done();
    let course = account.call(&promote("r2")).done().call(&register("r2"));
    let Some(End::Done(done)) = course.end else { panic!() };
    assert_eq!(done.outputs["Fingerprint"].len(), 12);
}

#[test]
fn a_release_of_before_there_were_fingerprints_is_promoted() {
    let account = world().product("r1").pre_product("r2").later(60);
    assert_eq!(account.call(&promote("r2")).done().forwards("product"), "r2 100, r1 0");
}
