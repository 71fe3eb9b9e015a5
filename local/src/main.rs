//! `local`: the whole system on one machine. `local up` runs it until it is stopped, `local demo` tells its story.

use std::path::PathBuf;
use std::process::ExitCode;

use local::terminal::Terminal;
use local::{Options, Result, demo, up};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "local up [FOLDER]  the whole system on this machine, to play with, until Ctrl-C; what is to be sourced is FOLDER/env
local demo         five releases on this machine, told as they happen: kept, rolled back, failed, stopped by an alarm";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let terminal = Terminal::new();
    let end = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        // To be stopped is how it ends.
        ["up"] => until_stopped(up::run(&terminal, Options::new())).await.map(|_| ExitCode::SUCCESS),
        ["up", folder] => {
            let options = Options { folder: PathBuf::from(folder), ..Options::new() };
            until_stopped(up::run(&terminal, options)).await.map(|_| ExitCode::SUCCESS)
        }
        ["demo"] => until_stopped(demo::run(&terminal)).await.map(|stopped| stopped.unwrap_or(ExitCode::SUCCESS)),
        ["help" | "--help" | "-h"] => {
            terminal.say(USAGE);
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    end.unwrap_or_else(|trouble| {
        eprintln!("\n{trouble}");
        ExitCode::FAILURE
    })
}

/// Runs something until it ends or we are told to stop; answers what a program exits with that was. Either way,
/// whatever it started ends with it.
async fn until_stopped(work: impl Future<Output = Result<()>>) -> Result<Option<ExitCode>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hang_up = signal(SignalKind::hangup())?;
    // As shells tell of a program that a signal ended: 128 and its number.
    let stopped = tokio::select! {
        done = work => return done.map(|()| None),
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
        _ = hang_up.recv() => 129,
    };
    eprintln!("\nstopped");
    Ok(Some(ExitCode::from(stopped)))
}
