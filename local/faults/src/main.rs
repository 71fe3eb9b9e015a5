//! `faults`: shows that every call, cut off anywhere, ends in the same place. `make faults` runs all of it.

use std::process::ExitCode;
use std::time::Duration;

use faults::load::{self, Load};
use faults::points::{self, Wanted};
use faults::scenario::SCENARIOS;
use faults::together;
use local::{Result, Trouble};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "faults                     all of it
faults points [FILTER…]    each call of AWS cut off in every way; a point's name has all FILTERs in it
faults together [ROUNDS]   two and three calls at the same time
faults load [SERVICES [SHARE [RELEASES]]]   so many services release at once, with a share of AWS's default limits
faults stopped             a holder of the lease stands still until it has run out, for more than a minute";

/// As many as `make faults` has calls meet.
const ROUNDS: usize = 200;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let work = async {
        match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => try_everything().await,
            ["points", filters @ ..] => try_points(filters).await,
            ["together"] => try_together(ROUNDS).await,
            ["together", rounds] => match rounds.parse() {
                Ok(rounds) => try_together(rounds).await,
                Err(_) => Err(Trouble::new(format!("{rounds} is no number of rounds"))),
            },
            ["load", numbers @ ..] => try_load(numbers).await,
            ["stopped"] => faults::stopped::run(|line| println!("{line}")).await.map(|()| ExitCode::SUCCESS),
            _ => {
                eprintln!("{USAGE}");
                Ok(ExitCode::from(2))
            }
        }
    };
    // Being stopped drops everything: whatever was started ends with it.
    let end = tokio::select! {
        end = work => end,
        () = stopped() => Ok(ExitCode::from(130)),
    };
    end.unwrap_or_else(|trouble| {
        eprintln!("{trouble}");
        ExitCode::FAILURE
    })
}

async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn try_everything() -> Result<ExitCode> {
    let ends = [try_points(&[]).await?, try_together(ROUNDS).await?, try_load(&[]).await?];
    faults::stopped::run(|line| println!("{line}")).await?;
    Ok(ends.into_iter().find(|end| *end != ExitCode::SUCCESS).unwrap_or(ExitCode::SUCCESS))
}

async fn try_together(rounds: usize) -> Result<ExitCode> {
    let report = together::try_rounds(rounds, |line| println!("{line}")).await?;
    println!(
        "{} rounds of two and three calls at once, {} changes, {} times a lease was busy, in {:.0} s; {} failed",
        report.rounds,
        report.changes,
        report.met,
        report.took.as_secs_f64(),
        report.failed.len()
    );
    for failed in &report.failed {
        println!("\n{failed}");
    }
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn try_points(filters: &[&str]) -> Result<ExitCode> {
    let wanted = Wanted { filters: filters.iter().map(|&filter| filter.to_owned()).collect(), every: 1 };
    let report = points::try_all(SCENARIOS, &wanted, |line| println!("{line}")).await?;
    print!("{}", report.table());
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn try_load(numbers: &[&str]) -> Result<ExitCode> {
    let services = numbers.first().map_or(Ok(100), |number| number.parse())?;
    let share = numbers.get(1).map_or(Ok(1.0), |number| number.parse())?;
    let releases = numbers.get(2).map_or(Ok(1), |number| number.parse())?;
    let load = Load { services, releases, share, patience: Duration::from_secs(3600) };
    print!("{}", load::run(load, |line| println!("{line}")).await?);
    Ok(ExitCode::SUCCESS)
}
