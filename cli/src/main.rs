//! `pointsman`: a person's way in. What it says is in `view`, what it stands on is a desk of `runtime`.

mod change;
mod history;
mod hold;
mod init;
mod interrupt;
mod plan;
mod prices;
mod session;
mod status;
mod terminal;
mod validate;

use std::process::ExitCode;

use clap::FromArgMatches;
use view::arguments::{Arguments, Command, Shell};
use view::exit::Fault;
use view::manual;

use crate::change::{Asked, Change};
use crate::terminal::Terminal;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let matches = manual::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let terminal = Terminal::new(arguments.shared.json, arguments.shared.color);
    // Futures within futures get deeper than the compiler goes.
    match Box::pin(run(&arguments, &terminal)).await {
        Ok(code) => ExitCode::from(code),
        Err(Fault { code, sentence }) => {
            terminal.fault(code, &sentence);
            ExitCode::from(code)
        }
    }
}

async fn run(arguments: &Arguments, terminal: &Terminal) -> Result<u8, Fault> {
    let shared = &arguments.shared;
    match &arguments.command {
        Command::Status { service, watch, every, from } => {
            let service = service.as_deref();
            let every = watch.then_some(*every);
            status::run(shared, from, service, every, terminal).await
        }
        Command::Plan { verb, of, policy, from } => plan::run(shared, from, *verb, of, *policy, terminal).await,
        Command::Promote { of, how, despite_alarms, fingerprint } => {
            let asked = Asked { despite_alarms: *despite_alarms, fingerprint: fingerprint.clone() };
            change::run(shared, of, how, Change::Promote, &asked, terminal).await
        }
        Command::Rollback { of, how } => {
            change::run(shared, of, how, Change::Rollback, &Asked::default(), terminal).await
        }
        Command::Finish { of, how } => change::run(shared, of, how, Change::Finish, &Asked::default(), terminal).await,
        Command::Remove { of, how } => change::run(shared, of, how, Change::Remove, &Asked::default(), terminal).await,
        Command::Validate { service, offline, from } => {
            validate::run(shared, from, service.as_deref(), *offline, terminal).await
        }
        Command::Init { service, rule, pre_product_host } => {
            init::run(shared, service, rule, pre_product_host.as_deref(), terminal).await
        }
        Command::Hold { service, reason, time } => hold::hold(shared, service, reason, *time, terminal).await,
        Command::ReleaseHold { service, yes } => hold::release(shared, service, *yes, terminal).await,
        Command::History { service, since, pipeline } => {
            history::run(shared, service, *since, pipeline.as_deref(), terminal).await
        }
        Command::Completions { shell } => completions(*shell, terminal),
        Command::Man => {
            terminal.say(&manual::page())?;
            Ok(view::exit::DONE)
        }
    }
}

fn completions(shell: Shell, terminal: &Terminal) -> Result<u8, Fault> {
    let (mut command, mut script) = (manual::command(), Vec::new());
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Elvish => clap_complete::Shell::Elvish,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::PowerShell => clap_complete::Shell::PowerShell,
        Shell::Zsh => clap_complete::Shell::Zsh,
    };
    clap_complete::generate(shell, &mut command, "pointsman", &mut script);
    terminal.say(&String::from_utf8_lossy(&script))?;
    Ok(view::exit::DONE)
}
