//! Ctrl-C, where something is to be said about it before the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

/// How soon Ctrl-C is noticed.
const OFTEN: Duration = Duration::from_millis(50);

/// Whether somebody pressed Ctrl-C.
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on Ctrl-C ends nothing by itself; where it cannot be caught it does.
    pub fn watch() -> Self {
        let pressed = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let _ = signal_hook::flag::register(signal, Arc::clone(&pressed));
        }
        Self(pressed)
    }

    /// Waits for Ctrl-C.
    async fn pressed(&self) {
        while !self.0.load(Ordering::Relaxed) {
            tokio::time::sleep(OFTEN).await;
        }
    }

    /// Waits for something; `None` if Ctrl-C comes first.
    pub async fn or<T>(&self, something: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            output = something => Some(output),
            () = self.pressed() => None,
        }
    }
}
