//! `register`: a release is behind the pre-product rule, its targets healthy. What it decides is in `plans`.

use lambda_runtime::{Error, run, service_fn};
use runtime::{Function, Runner, can, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let runner =
        Runner::new(Function::Register, &[can::fill_groups, can::empty_groups, can::make_rules, can::run_checks]);
    let runner = &runner;
    run(service_fn(async move |event| runner.handle(event).await)).await
}
