//! A short run of the proof: Pointsman loses nothing, and what people do without it does, under the same load.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use local::terminal::Terminal;
use zero_loss::clicks::Clicks;
use zero_loss::drive::Pace;
use zero_loss::journal::What;
use zero_loss::outcome::Outcome;
use zero_loss::run::{Round, Settings, round};

#[tokio::test(flavor = "multi_thread")]
async fn ten_promotes_and_ten_rollbacks_lose_no_request_and_those_of_others_do() {
    let settings = Settings {
        pairs: 10,
        services: 4,
        // The generator is not optimised here, and other tests may run beside this one.
        rate: 270.0,
        baseline_releases: 2,
        boot: Duration::from_secs(3),
        pace: Pace { settle_seconds: 6, drain_seconds: 4 },
        ..Settings::new(PathBuf::from(env!("CARGO_BIN_EXE_zero_loss")))
    };
    let terminal = Terminal::new();
    let clicks = Clicks::default();
    let mut rounds = [a_round(&settings, &terminal).await];
    let first = Outcome::of(&settings, &rounds, &clicks).unwrap();
    first.tell(&terminal);
    assert!(first.holds() || !first.proves(), "see above");
    if !first.proves() || short_of(&settings, &rounds[0]).is_some() {
        eprintln!("The machine had no time for it: once more.");
        rounds = [a_round(&settings, &terminal).await];
        Outcome::of(&settings, &rounds, &clicks).unwrap().tell(&terminal);
    }
    let outcome = Outcome::of(&settings, &rounds, &clicks).unwrap();
    assert!(outcome.holds(), "see above");
    assert_eq!(short_of(&settings, &rounds[0]), None, "within its time there were so many: the machine is too busy");
    assert!(outcome.lost_by_baselines() > 0, "a load that sees no baseline lose anything sees nothing");
    assert_eq!(rounds[0].counted, rounds[0].book.begun, "the load balancer counted other requests than were begun");
    assert!(rounds[0].book.kept > 0, "no customer came back with the cookie of a sticky rule");
    for what in [What::Weight(20), What::CutOff, What::Alarm, What::FollowedAtOnce, What::KilledNew, What::KilledOld] {
        assert!(rounds[0].journal.count_of(what, rounds[0].services) > 0, "no {what:?}");
    }
}

/// A run on a machine of its own takes a minute.
async fn a_round(settings: &Settings, terminal: &Terminal) -> Round {
    let end = Instant::now() + Duration::from_secs(180);
    round(settings, settings.pairs, settings.baseline_releases, end, terminal).await.unwrap()
}

/// What there is too little of, and how much there is.
fn short_of(settings: &Settings, round: &Round) -> Option<(What, usize)> {
    let counted = [What::Promoted, What::RolledBack].map(|what| (what, round.journal.count_of(what, round.services)));
    counted.into_iter().find(|(_, count)| *count < settings.pairs)
}
