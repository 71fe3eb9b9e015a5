//! `provision`: a release has its servers, ready and spread over the subnets. What it decides is in `plans`.

use lambda_runtime::{Error, run, service_fn};
use runtime::{Function, Runner, can, log};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    log::init();
    let runner = Runner::new(Function::Provision, &[can::launch_servers, can::terminate_servers]);
    let runner = &runner;
    run(service_fn(async move |event| runner.handle(event).await)).await
}
