//! Ctrl-C and SIGTERM, where something is to be said about it before the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use view::exit::{self, Fault};

/// How soon a signal is noticed.
const OFTEN: Duration = Duration::from_millis(50);

/// Which signal came, if one did: the code to end with, else 0.
pub struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// From now on neither ends anything by itself; where one cannot be caught it does.
    pub fn watch() -> Self {
        let ends_with = Arc::new(AtomicUsize::new(0));
        for (signal, code) in [(SIGINT, exit::INTERRUPTED), (SIGTERM, exit::STOPPED)] {
            let _ = signal_hook::flag::register_usize(signal, Arc::clone(&ends_with), usize::from(code));
        }
        Self(ends_with)
    }

    /// The code to end with, by the signal that came.
    pub fn code(&self) -> u8 {
        u8::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(exit::INTERRUPTED)
    }

    /// Why it ends, by the signal that came.
    pub fn fault(&self, sentence: impl Into<String>) -> Fault {
        Fault::new(self.code(), sentence)
    }

    /// Waits for a signal.
    async fn comes(&self) {
        while self.0.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(OFTEN).await;
        }
    }

    /// Waits for something; `None` if a signal comes first.
    pub async fn or<T>(&self, something: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            output = something => Some(output),
            () = self.comes() => None,
        }
    }
}
