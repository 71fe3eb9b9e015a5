//! `make model`: explores, breaks each promise on purpose, and says what was found.

use std::process::ExitCode;

use model::account::Account;
use model::broken::Breakage;
use model::explore::{Explored, caught, explore};
use model::promises::Promise;
use model::scenarios;
use model::walk::{Walked, at_random};

const THREADS: usize = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| arguments.get(i).and_then(|n| n.parse::<usize>().ok());
    let releases = number(1).unwrap_or(2);
    let one = match arguments.first().map(String::as_str) {
        None => return everything(),
        Some("broken") => return if broken_plans() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
        Some("small") => scenarios::small(releases, None),
        Some("two") => {
            scenarios::two_callers(releases, number(3).and_then(|n| u8::try_from(n).ok()).unwrap_or(u8::MAX))
        }
        Some("faults") => scenarios::faults(releases, None),
        Some("lag") => scenarios::lag(releases, None),
        Some("late") => scenarios::late(releases, None),
        Some("kept") => scenarios::kept(releases),
        Some("steps") => scenarios::steps(releases),
        Some("histories") => {
            return if histories(number(1).unwrap_or(2_000) as u64) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Some("pool") => scenarios::pool(releases),
        Some("people") => scenarios::people(releases, None),
        Some(_) => scenarios::wide(None),
    };
    if run(releases, one, number(2).filter(|n| *n > 0)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn everything() -> ExitCode {
    println!("releases | distinct states | transitions | depth | seconds | looks planned | ends driven | bounds");
    let mut good = true;
    good &= run(1, scenarios::small(1, None), None);
    good &= run(2, scenarios::two_callers(2, 2), None);
    good &= run(1, scenarios::lag(1, None), None);
    good &= run(1, scenarios::late(1, None), None);
    good &= run(1, scenarios::kept(1), None);
    good &= run(1, scenarios::pool(1), None);
    good &= run(1, scenarios::steps(1), None);
    good &= run(2, scenarios::lag(2, None), Some(4_000_000));
    good &= run(2, scenarios::late(2, None), Some(4_000_000));
    good &= run(2, scenarios::kept(2), Some(2_000_000));
    good &= run(2, scenarios::pool(2), Some(2_000_000));
    good &= run(2, scenarios::steps(2), Some(4_000_000));
    good &= run(1, scenarios::faults(1, None), Some(6_000_000));
    good &= run(2, scenarios::faults(2, None), Some(4_000_000));
    good &= run(2, scenarios::people(2, None), Some(4_000_000));
    good &= run(3, scenarios::wide(None), Some(3_000_000));
    good &= histories(10_000);
    good &= broken_plans();
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(releases: usize, account: Account, transitions: Option<usize>) -> bool {
    let (calls, crashes) = (account.budget.calls, account.budget.crashes);
    let calls = if calls == u8::MAX { "any number of calls".to_owned() } else { format!("{calls} calls") };
    let Explored { name, distinct, transitions, depth, took, looks, ends, complete, broken } =
        explore(account, transitions, THREADS);
    let complete = if complete { "all states" } else { "as far as the bound" };
    println!(
        "{releases} | {distinct} | {transitions} | {depth} | {:.0} | {looks} | {ends} | {name}; {calls}, {crashes} crashes; {complete}",
        took.as_secs_f64()
    );
    for history in &broken {
        println!("\nBROKEN: {history}");
    }
    broken.is_empty()
}

/// Long histories at random, with and without steps: they come deeper than any exploration.
fn histories(count: u64) -> bool {
    let mut good = true;
    for account in [scenarios::long(None), scenarios::long_steps()] {
        let Walked { name, steps, distinct, longest, took, broken } = at_random(&account, count, 2);
        println!(
            "3 | {distinct} | {steps} | {longest} | {:.0} | {} | {} | {name}; {count} histories at random",
            took.as_secs_f64(),
            account.planner.looks(),
            account.outlooks.known()
        );
        if let Some(history) = broken {
            println!("\nBROKEN: {history}");
            good = false;
        }
    }
    good
}

fn broken_plans() -> bool {
    let mut good = true;
    println!("\nPlans broken on purpose, and the shortest history that shows it:");
    for promise in Promise::ALL.iter().copied() {
        println!("\n{}\n  broken so: {}", promise.words(), Breakage(promise).words());
        match caught(promise) {
            Some(history) => println!("{history}"),
            None => {
                good = false;
                println!("  NOT CAUGHT");
            }
        }
    }
    good
}
