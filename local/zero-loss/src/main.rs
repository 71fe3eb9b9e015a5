//! `zero_loss`: the proof under load. `zero_loss server` is one of its servers.

use std::process::ExitCode;

use zero_loss::load::{Load, Settings};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["server"] => end(server()),
        ["load", address, host, rate, seconds] => end(load(address, host, rate, seconds)),
        _ => ExitCode::from(2),
    }
}

fn server() -> local::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(zero_loss::server::run())
}

/// The load alone, on whatever answers as our servers do: to know what the generator itself can do.
fn load(address: &str, host: &str, rate: &str, seconds: &str) -> local::Result<()> {
    let settings = Settings {
        nodes: vec![address.parse()?],
        hosts: vec![host.to_owned()],
        rate: rate.parse()?,
        long: std::time::Duration::from_secs(4),
        seed: 1,
    };
    let seconds = std::time::Duration::from_secs(seconds.parse()?);
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
    Ok(())
}

fn end(result: local::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("{trouble}");
            ExitCode::FAILURE
        }
    }
}
