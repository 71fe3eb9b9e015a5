//! Ten services release at once, in an account that AWS lets call only so often.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use faults::load::{self, Load};

#[tokio::test(flavor = "multi_thread")]
async fn ten_services_release_at_once_within_the_limits() {
    let load = Load { services: 10, releases: 1, share: 1.0, patience: Duration::from_secs(240) };
    let report = load::run(load, |_| {}).await.unwrap();
    let elb = report.calls["elasticloadbalancing"];
    assert!(elb.throttled > 0 && elb.retries > 0, "the limits were felt\n{report}");
    assert!(report.longest_invocation < Duration::from_secs(60), "all end by themselves\n{report}");
    // With jitter: of the pauses some are much shorter than others.
    assert!(report.pause(90) > report.pause(10) * 2, "{report}");
}
