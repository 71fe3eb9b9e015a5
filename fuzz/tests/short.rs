//! A short run of `make fuzz`, the same each time.

use fuzz::run::run;
use fuzz::targets;

/// So many inputs for each hundredth of a target's share.
const INPUTS: u64 = 400;

fn short(name: &str) {
    let targets = targets();
    let target = targets.iter().find(|target| target.name() == name);
    let ran = target.map(|target| run(target.as_ref(), INPUTS * target.share(), 1));
    println!("{ran:?}");
    let broken = ran.map(|ran| ran.broken.join("\n\n"));
    assert_eq!(broken.as_deref(), Some(""), "{}", broken.as_deref().unwrap_or("there is no such target"));
}

#[test]
fn events() {
    short("events");
}

#[test]
fn parameters() {
    short("parameters");
}

#[test]
fn configs() {
    short("configs");
}

#[test]
fn plans() {
    short("plans");
}

#[test]
fn words() {
    short("words");
}
