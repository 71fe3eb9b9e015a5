//! What the tests stand on: one moto for all of them, a gateway for each.

use std::path::PathBuf;

use gateway::{Aws, Gateway, Moto};

/// Where the Python virtual environment with moto is.
pub fn venv() -> PathBuf {
    std::env::var_os("POINTSMAN_VENV")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv")), PathBuf::from)
}

/// A gateway and a client of it.
pub struct Stage {
    pub gateway: Gateway,
    pub aws: Aws,
    // Each test has a runtime of its own, which a shared process would not outlive.
    _moto: Moto,
}

/// Starts one.
pub async fn stage() -> Stage {
    let moto = Moto::start(&venv()).await.unwrap();
    let gateway = Gateway::start(moto.url()).await.unwrap();
    let aws = gateway.aws("TESTER");
    Stage { gateway, aws, _moto: moto }
}
