//! `teardown`: what is retired or rejected goes; events and the sweep come here too. What it decides is in `plans`.

use lambda_runtime::{Error, run, service_fn};
use runtime::{Function, Runner, can, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let runner = Runner::new(
        Function::Teardown,
        &[can::empty_groups, can::delete_groups, can::terminate_servers, can::watch_alarms, can::answer_events],
    );
    let runner = &runner;
    run(service_fn(async move |event| runner.handle(event).await)).await
}
