//! Serves a gateway before a moto of its own until it is interrupted, and prints where. With `--healthy`, every target
//! is healthy at once: for callers that have no servers.

use std::path::PathBuf;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let venv = std::env::var_os("POINTSMAN_VENV").map_or_else(|| PathBuf::from(".venv"), PathBuf::from);
    let moto = gateway::Moto::start(&venv).await?;
    let gateway = gateway::Gateway::start(moto.url()).await?;
    if std::env::args().any(|argument| argument == "--healthy") {
        gateway.health().set_scripted_healthy(true);
    }
    println!("{}\nmoto {}", gateway.url(), moto.url());
    std::future::pending::<()>().await;
    Ok(())
}
