//! A short run of `make fuzz`'s second half, the same each time.

use binaries::{Ran, answers, payloads, strangers};
use local::Result;

/// Nothing was broken.
fn good(ran: Result<Ran>) {
    let broken = match ran {
        Ok(ran) => {
            println!("{} calls: {:#?}", ran.points, ran.counts);
            ran.broken
        }
        Err(trouble) => vec![format!("the account itself failed: {trouble}")],
    };
    assert!(broken.is_empty(), "\n{}", broken.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_fields_missing() {
    good(answers::run(30, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_payload() {
    good(payloads::run(60, 1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_tags_on_what_stands() {
    good(strangers::run(4, 1).await);
}
