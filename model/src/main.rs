//! `make model`: explores, and says what was found.

use std::time::Instant;

use model::scenarios;
use model::story;
use stateright::{Checker, Model};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |i: usize, otherwise: usize| arguments.get(i).and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let account = scenarios::small(number(1, 1), None);
    let started = Instant::now();
    let checker = account.checker().threads(2).target_state_count(number(2, 100_000_000)).spawn_bfs().join();
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
