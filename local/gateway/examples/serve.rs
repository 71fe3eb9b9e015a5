//! Serves a gateway before a moto of its own until it is interrupted, and prints where.

use std::path::PathBuf;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let venv = std::env::var_os("POINTSMAN_VENV").map_or_else(|| PathBuf::from(".venv"), PathBuf::from);
    let moto = gateway::Moto::start(&venv).await?;
    let gateway = gateway::Gateway::start(moto.url()).await?;
    println!("{}\nmoto {}", gateway.url(), moto.url());
    std::future::pending::<()>().await;
    Ok(())
}
