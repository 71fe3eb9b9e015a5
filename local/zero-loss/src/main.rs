//! `zero_loss`: the proof under load. `zero_loss server` is one of its servers.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use local::terminal::Terminal;
use local::{Options, Result, Trouble};
use zero_loss::clicks::{self, Clicks};
use zero_loss::load::{self, Load};
use zero_loss::outcome::{self, Outcome};
use zero_loss::run;

const USAGE: &str = "zero_loss run [OPTION=NUMBER]... [report=FILE]
    pairs=500        promotes, and as many rollbacks; 0 for the clicks alone
    round=100        so many of them in one account
    services=10      released side by side
    rate=2400        requests a second in all
    baselines=10     releases of each baseline, in the first round
    settle=8         settle_seconds of each service; a busy machine needs more
    minutes=110      no promotion is begun later
    clicks=20        approvals, rejections and alarms that are timed, of each
zero_loss load ADDRESS HOST RATE SECONDS   the load alone, on whatever answers as our servers do
zero_loss server                           a server, as the variables RELEASE, INSTANCE_ID, BIND_ADDRESS and PORT say";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let end = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["server"] => server(),
        ["load", address, host, rate, seconds] => load(address, host, rate, seconds),
        ["run", arguments @ ..] => run(arguments),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match end {
        Ok(code) => code,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}

fn server() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(zero_loss::server::run())?;
    Ok(ExitCode::SUCCESS)
}

fn run(arguments: &[&str]) -> Result<ExitCode> {
    let terminal = Terminal::new();
    let mut settings = run::Settings::new(std::env::current_exe()?);
    let (mut clicks, mut report) = (20, PathBuf::from("target/zero-loss.html"));
    for argument in arguments {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        match name {
            "pairs" => settings.pairs = value.parse()?,
            "round" => settings.pairs_in_round = value.parse::<usize>()?.max(1),
            "services" => settings.services = value.parse::<u32>()?.max(1),
            "minutes" => settings.within = Duration::from_secs(value.parse::<u64>()? * 60),
            "settle" => settings.pace.settle_seconds = value.parse()?,
            "rate" => settings.rate = value.parse()?,
            "baselines" => settings.baseline_releases = value.parse()?,
            "clicks" => clicks = value.parse()?,
            "report" => report = PathBuf::from(value),
            _ => return Err(Trouble::new(format!("{argument} is no option.\n{USAGE}"))),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (rounds, clicks) = runtime.block_on(async {
        let rounds = tokio::select! {
            rounds = run::rounds(&settings, &terminal) => rounds?,
            _ = tokio::signal::ctrl_c() => return Err(Trouble::new("stopped")),
        };
        let clicks: Clicks = clicks::measure(Options::new, &settings.program, clicks).await?;
        Ok((rounds, clicks))
    })?;
    let Some(outcome) = Outcome::of(&settings, &rounds, &clicks) else {
        // Clicks alone were asked for.
        outcome::click_table(&clicks).iter().for_each(|table| outcome::tell_table(table, &terminal));
        return Ok(ExitCode::SUCCESS);
    };
    outcome.tell(&terminal);
    outcome.report().write(&report)?;
    terminal.say(&format!("\nWith pictures: {}", report.display()));
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn load(address: &str, host: &str, rate: &str, seconds: &str) -> Result<ExitCode> {
    let settings = load::Settings {
        nodes: vec![address.parse()?],
        hosts: vec![host.to_owned()],
        rate: rate.parse()?,
        long: Duration::from_secs(4),
        seed: 1,
    };
    let seconds = Duration::from_secs(seconds.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let book = runtime.block_on(async {
        let load = Load::start(settings)?;
        tokio::time::sleep(seconds).await;
        load.stop().await
    })?;
    for site in &book.sites {
        let ms = |quantile| site.latencies.value_at_quantile(quantile) as f64 / 1000.0;
        println!(
            "{} begun, {} as they should be, {} failed; p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms; begun {:.1} ms late at most",
            book.begun,
            site.succeeded(),
            book.failures.len(),
            ms(0.5),
            ms(0.99),
            ms(0.999),
            book.late.as_secs_f64() * 1000.0
        );
    }
    for failure in book.failures.iter().take(5) {
        println!("{failure:?}");
    }
    Ok(ExitCode::SUCCESS)
}
