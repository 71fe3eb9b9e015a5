//! `promote`: the product rule forwards to the release that QA saw. What it decides is in `plans`.

use lambda_runtime::{Error, run, service_fn};
use runtime::{Function, Runner, can, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let runner = Runner::new(Function::Promote, &[can::make_rules, can::watch_alarms, can::run_checks]);
    let runner = &runner;
    run(service_fn(async move |event| runner.handle(event).await)).await
}
