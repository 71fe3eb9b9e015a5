//! The way to AWS: TLS, to whom a certificate that is trusted vouches for, and to nobody else.

use std::path::Path;
use std::process::{Output, Stdio};

use local::Options;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::stage::says;

/// An endpoint over TLS, and its port.
async fn endpoint(folder: &Path) -> (Child, u16) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/tls.py");
    let mut command = Command::new(Options::new().venv.join("bin/python"));
    let mut server = command.arg(script).arg(folder).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let port = BufReader::new(server.stdout.take().unwrap()).lines().next_line().await.unwrap();
    (server, port.expect("the endpoint's port").parse().unwrap())
}

async fn status(port: u16, bundle: &Path) -> Output {
    let mut command = Command::new(Options::new().bootstraps.join("pointsman/bootstrap"));
    command.args(["status", "mobile-web"]).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command.env("AWS_ENDPOINT_URL", format!("https://localhost:{port}")).env("AWS_CA_BUNDLE", bundle);
    command.envs([("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "one"), ("AWS_SECRET_ACCESS_KEY", "two")]);
    command.output().await.unwrap()
}

#[tokio::test]
async fn whom_no_trusted_certificate_vouches_for_is_not_talked_to() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = endpoint(folder.path()).await;
    let trusted = status(port, &folder.path().join("ca.pem")).await;
    says(&String::from_utf8_lossy(&trusted.stderr), &["There is no function pointsman-teardown"]);
    // Amazon's own roots, then, which do not know it.
    let stranger = status(port, Path::new("")).await;
    assert_eq!(stranger.status.code(), Some(5), "{stranger:?}");
    says(&String::from_utf8_lossy(&stranger.stderr), &["AWS could not be reached", "invalid peer certificate"]);
}
