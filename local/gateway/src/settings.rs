//! How slow and how late the simulated AWS is; all of it is off at first.

use std::sync::{Arc, RwLock};
use std::time::Duration;

#[derive(Clone, Copy, Debug, Default)]
struct Values {
    dns_pending: Duration,
    status_initializing: Duration,
    instances_seen_late: Duration,
}

/// What can be set while the gateway runs. Clones share the values.
#[derive(Clone, Debug, Default)]
pub struct Settings(Arc<RwLock<Values>>);

impl Settings {
    /// How long a DNS change stays `PENDING`.
    #[must_use]
    pub fn dns_pending(&self) -> Duration {
        self.read().dns_pending
    }

    /// Sets how long a DNS change stays `PENDING`.
    pub fn set_dns_pending(&self, value: Duration) {
        self.write(|values| values.dns_pending = value);
    }

    /// How long the status checks of a new instance say `initializing`.
    #[must_use]
    pub fn status_initializing(&self) -> Duration {
        self.read().status_initializing
    }

    /// Sets how long the status checks of a new instance say `initializing`.
    pub fn set_status_initializing(&self, value: Duration) {
        self.write(|values| values.status_initializing = value);
    }

    /// How long after its launch an instance is first seen.
    #[must_use]
    pub fn instances_seen_late(&self) -> Duration {
        self.read().instances_seen_late
    }

    /// Sets how long after its launch an instance is first seen.
    pub fn set_instances_seen_late(&self, value: Duration) {
        self.write(|values| values.instances_seen_late = value);
    }

    fn read(&self) -> Values {
        self.0.read().map(|values| *values).unwrap_or_default()
    }

    fn write(&self, change: impl FnOnce(&mut Values)) {
        if let Ok(mut values) = self.0.write() {
            change(&mut values);
        }
    }
}
