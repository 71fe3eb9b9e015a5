//! What is promised, in words; `watch` says when it is broken, `calm` what a world comes to.

use stateright::Property;

use crate::account::Account;
use crate::happens::State;

macro_rules! promises {
    ($($name:ident => $words:literal,)*) => {
        /// A promise.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Promise {
            $($name,)*
        }

        impl Promise {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// In words.
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => $words,)*
                }
            }

            /// As the model checker asks for them.
            pub fn properties() -> Vec<Property<Account>> {
                vec![$(Property::always($words, |_: &Account, state: &State| {
                    state.history.broken != Some(Self::$name)
                })),*]
            }
        }
    };
}

promises! {
    HealthyWhenSwitched => "weight goes only to groups that were healthy when looked at for the switch",
    NothingServedGoes => "nothing with weight is drained, deregistered or terminated",
    OneServes => "never two releases with weight",
    RejectedNeverServesAgain => "a rejected release never serves again, customers or QA",
    LateDuplicatesChangeNoTraffic => "a late duplicate of an old job changes no traffic",
    SettledBeforeDeregistered => "nothing is deregistered before its rule change has settled and requests had drain_seconds",
    DrainedBeforeDeleted => "no group is deleted, no target terminated before it is drained",
    NothingOfOthers => "nothing without our tags is touched",
    NoMoreInstances => "no more instances of a release than configured",
    SeenByQa => "a promoted release is one that the pre-product rule served",
    NoChangeWithoutLease => "nobody changes anything without a lease that has time left",
    NeverByInference => "one that was ever product loses its servers only when a call put it away",
    TagsBeforeTheRule => "a release leaves the product rule only after its tags say why",
    RejectionStands => "only what may be rejected is, and a rejection is never taken back",
    NoTrafficUnasked => "only promote, a rollback and a rejected release's end move customers",
    GoneStaysGone => "what was torn down or rejected is not launched again",
    EveryCallEnds => "when faults stop, every call ends",
    NothingLeftBehind => "when faults stop, nothing is left that no live release owns",
    EverybodyTold => "when faults stop, the people of every rejected release were told",
}
