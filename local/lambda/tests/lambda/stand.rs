//! What the tests stand on: functions made of one small bootstrap.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use lambda::{Answer, FunctionSpec, Functions, Settings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BOOTSTRAP: &str = include_str!("bootstrap.py");

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Stand {
    pub functions: Functions,
    /// Where functions that `wait` or `hang` connect to.
    endpoint: TcpListener,
    pub folder: TempDir,
}

/// A function as a template without any special wishes gives it.
pub fn spec(name: &str) -> FunctionSpec {
    FunctionSpec {
        logical_id: "Function".to_owned(),
        name: format!("pointsman-{name}"),
        arn: format!("arn:aws:lambda:us-east-1:123456789012:function:pointsman-{name}"),
        handler: "bootstrap".to_owned(),
        timeout: Duration::from_secs(20),
        memory_mb: 256,
        environment: BTreeMap::from([("LEASE_TABLE".to_owned(), "leases".to_owned())]),
        log_group: format!("/aws/lambda/pointsman-{name}"),
        retry_attempts: 2,
        event_age_max: Duration::from_secs(3600),
        dead_letter_arn: Some("arn:aws:sqs:us-east-1:123456789012:dead".to_owned()),
        on_failure_arn: None,
        reserved_concurrency: None,
    }
}

impl Stand {
    /// One function, `pointsman-try`.
    pub async fn new() -> Self {
        Self::with(spec("try"), |settings| settings).await
    }

    pub async fn with(spec: FunctionSpec, change: impl FnOnce(Settings) -> Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_bootstrap(folder.path(), spec.short_name());
        let endpoint = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", endpoint.local_addr().unwrap());
        let settings = change(Settings::new(folder.path(), url).delay_scale(0.0));
        let functions = Functions::start(vec![spec], settings).unwrap();
        Self { functions, endpoint, folder }
    }

    pub async fn call(&self, event: &Value) -> Answer {
        self.functions.invoke("pointsman-try", event).await.unwrap()
    }

    /// Waits until a function that `wait`s or `hang`s is there.
    pub async fn meet(&self) -> Meeting {
        tokio::time::timeout(PATIENCE, async {
            let (mut stream, _) = self.endpoint.accept().await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
            Meeting(stream)
        })
        .await
        .unwrap()
    }
}

/// A connection that lives as long as a function's process, or any that it started.
pub struct Meeting(TcpStream);

impl Meeting {
    pub async fn go_on(&mut self) {
        self.0.write_all(b"x").await.unwrap();
    }

    /// Waits until all of it has ended, which it has to be about to.
    pub async fn ended(mut self) {
        // A killed process may leave what it had not read; either way its end is gone.
        let _ = tokio::time::timeout(PATIENCE, self.0.read(&mut [0])).await.unwrap();
    }
}

fn write_bootstrap(folder: &Path, short_name: &str) {
    let folder = folder.join(short_name);
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("bootstrap");
    std::fs::write(&path, BOOTSTRAP).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    // Read once: who writes a program and starts it at once may find it busy.
    std::fs::File::open(&path).unwrap().read_exact(&mut [0]).unwrap();
}
