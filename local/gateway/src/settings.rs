//! How slow and how late the simulated AWS is; all of it is off at first.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

/// What reads may lag behind of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lagging {
    /// New instances.
    Instances,
    /// New target groups.
    TargetGroups,
    /// New listener rules.
    Rules,
    /// Changed record sets: reads answer with what was there before.
    Names,
    /// Tags of instances, target groups and rules: reads answer with the tags as they were, and without any for what is new.
    Tags,
}

/// For how long reads do not show what was made or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lag {
    #[default]
    None,
    /// As long as this after it was made.
    Time(Duration),
    /// The first so many reads do not show it: a lag that passes without waiting.
    Reads(u32),
    /// Of the first so many reads, every second one does not show it.
    Jumping(u32),
}

#[derive(Clone, Debug, Default)]
struct Values {
    dns_pending: Duration,
    status_initializing: Duration,
    lags: BTreeMap<Lagging, Lag>,
}

/// What can be set while the gateway runs. Clones share the values.
#[derive(Clone, Debug, Default)]
pub struct Settings(Arc<RwLock<Values>>);

impl Settings {
    /// How long a DNS change stays `PENDING`.
    #[must_use]
    pub fn dns_pending(&self) -> Duration {
        self.read(|values| values.dns_pending)
    }

    /// Sets how long a DNS change stays `PENDING`.
    pub fn set_dns_pending(&self, value: Duration) {
        self.write(|values| values.dns_pending = value);
    }

    /// How long the status checks of a new instance say `initializing`.
    #[must_use]
    pub fn status_initializing(&self) -> Duration {
        self.read(|values| values.status_initializing)
    }

    /// Sets how long the status checks of a new instance say `initializing`.
    pub fn set_status_initializing(&self, value: Duration) {
        self.write(|values| values.status_initializing = value);
    }

    /// How far reads lag.
    #[must_use]
    pub fn lag(&self, what: Lagging) -> Lag {
        self.read(|values| values.lags.get(&what).copied().unwrap_or_default())
    }

    /// Sets how far reads lag behind what is made or changed from now on; `Lag::None` shows all at once.
    pub fn set_lag(&self, what: Lagging, lag: Lag) {
        self.write(|values| {
            values.lags.insert(what, lag);
        });
    }

    /// Has no read lag any more.
    pub fn clear_lags(&self) {
        self.write(|values| values.lags.clear());
    }

    /// Whether any read may lag.
    pub(crate) fn any_lag(&self) -> bool {
        self.read(|values| values.lags.values().any(|lag| *lag != Lag::None))
    }

    fn read<T: Default>(&self, get: impl FnOnce(&Values) -> T) -> T {
        self.0.read().map(|values| get(&values)).unwrap_or_default()
    }

    fn write(&self, change: impl FnOnce(&mut Values)) {
        if let Ok(mut values) = self.0.write() {
            change(&mut values);
        }
    }
}
