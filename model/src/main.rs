//! `make model`: explores, and says what was found.

use std::time::Instant;

use model::scenarios;
use model::story;
use stateright::{Checker, Model};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |i: usize, otherwise: usize| arguments.get(i).and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let releases = number(2, 2);
    let account = match arguments.get(1).map(String::as_str) {
        Some("two") => scenarios::two_callers(releases, None),
        Some("faults") => scenarios::faults(releases, None),
        Some("people") => scenarios::people(releases, None),
        Some("wide") => scenarios::wide(None),
        _ => scenarios::small(releases, None),
    };
    let started = Instant::now();
    let checker = account.checker().threads(2).target_state_count(number(3, 100_000_000)).spawn_bfs().join();
    println!(
        "{}: {} states, {} distinct, depth {}, {:?}; {} looks, {} ends",
        checker.model().name,
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        started.elapsed(),
        checker.model().planner.looks(),
        checker.model().outlooks.known(),
    );
    for (promise, path) in checker.discoveries() {
        println!("\nbroken: {promise}\n{}", story::tell(checker.model(), path));
    }
}
