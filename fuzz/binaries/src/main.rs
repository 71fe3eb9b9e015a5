//! `make fuzz`, its second half: the real binaries.

use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use binaries::{Ran, answers, payloads, strangers};
use local::Result;

#[tokio::main]
async fn main() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let only = std::env::args().nth(1);
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    let (seed, points) = (number("FUZZ_SEED").unwrap_or(fresh), number("FUZZ_POINTS").unwrap_or(2_000));
    println!("seed {seed} (FUZZ_SEED={seed} repeats it)");
    let mut broken = 0;
    for part in ["payloads", "strangers", "answers"] {
        if only.as_deref().is_some_and(|only| only != part) {
            continue;
        }
        let began = Instant::now();
        // Two accounts side by side: each waits for its simulator most of the time.
        let (first, second) = match part {
            "payloads" => tokio::join!(payloads::run(points / 8, seed), payloads::run(points / 8, seed + 1)),
            "strangers" => tokio::join!(strangers::run(points / 40, seed), strangers::run(points / 40, seed + 1)),
            _ => tokio::join!(answers::run(points / 2, seed), answers::run(points / 2, seed + 1)),
        };
        for ran in [first, second] {
            broken += report(part, ran, began);
        }
    }
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(part: &str, ran: Result<Ran>, began: Instant) -> usize {
    let seconds = began.elapsed().as_secs();
    match ran {
        Ok(ran) => {
            println!("\n{part}: {} calls in {seconds} s, {} promises broken", ran.points, ran.broken.len());
            for (what, times) in &ran.counts {
                println!("  {times:>6}  {what}");
            }
            ran.broken.len()
        }
        Err(trouble) => {
            println!("\n{part}: after {seconds} s the account itself failed: {trouble}");
            1
        }
    }
}
