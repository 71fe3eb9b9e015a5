//! `make fuzz`: tries inputs, and says how many, how fast, and what broke.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use fuzz::run::{Target, again, read, run};
use fuzz::targets;

/// How many inputs there are in all, unless FUZZ_INPUTS says so.
const INPUTS: u64 = 11_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let targets: Vec<Box<dyn Target>> =
        targets().into_iter().filter(|t| arguments.first().is_none_or(|name| name == t.name())).collect();
    if let (Some(choices), [target]) = (arguments.get(1), targets.as_slice()) {
        let Some(choices) = read(choices) else {
            eprintln!("the choices are numbers with points between them, as a failure prints them");
            return ExitCode::FAILURE;
        };
        let (good, story) = again(target.as_ref(), &choices);
        println!("{story}");
        return if good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if targets.is_empty() {
        eprintln!(
            "there is no such target; they are {}",
            fuzz::targets().iter().map(|t| t.name()).collect::<Vec<_>>().join(", ")
        );
        return ExitCode::FAILURE;
    }
    let fresh = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default();
    let (seed, inputs) = (number("FUZZ_SEED").unwrap_or(fresh), number("FUZZ_INPUTS").unwrap_or(INPUTS));
    println!("seed {seed} (FUZZ_SEED={seed} repeats it)\ninputs | seconds | inputs a second | target");
    let (mut all, mut broken) = (0, Vec::new());
    let shares: u64 = targets.iter().map(|target| target.share()).sum();
    for target in &targets {
        let ran = run(target.as_ref(), inputs * target.share() / shares, seed);
        let seconds = ran.took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "millions, for people to read")]
        let speed = ran.inputs as f64 / seconds.max(0.001);
        println!("{} | {seconds:.1} | {speed:.0} | {}: {}", ran.inputs, target.name(), target.about());
        all += ran.inputs;
        broken.extend(ran.broken);
    }
    for report in &broken {
        println!("\nBROKEN: {report}");
    }
    println!("{all} inputs, {} promises broken", broken.len());
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
