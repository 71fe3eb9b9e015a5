//! Long histories at random, made shorter where one breaks a promise.

use std::sync::OnceLock;

use model::account::Account;
use model::{scenarios, story, walk};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn account() -> &'static Account {
    static ACCOUNT: OnceLock<Account> = OnceLock::new();
    ACCOUNT.get_or_init(|| scenarios::long(None))
}

/// As many histories as asked for, others each time; or 500, always the same, so that `make test` fails for a change only.
fn histories() -> (u32, RngSeed) {
    let asked = std::env::var("POINTSMAN_HISTORIES").ok().and_then(|n| n.parse().ok());
    asked.map_or((500, RngSeed::Fixed(2026)), |cases| (cases, RngSeed::Random))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: histories().0,
        rng_seed: histories().1,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_history_breaks_a_promise(start in 0_usize..7, choices in prop::collection::vec(any::<u16>(), 1..400)) {
        let history = walk::walk(account(), start, &choices);
        let broken = history.last().and_then(|(state, _)| state.history.broken);
        prop_assert!(broken.is_none(), "\n{}", story::tell(&history));
    }
}
