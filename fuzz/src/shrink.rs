//! Makes a failing input's choices fewer and smaller, as long as it fails in the same way.

use std::time::{Duration, Instant};

/// Shrinking ends after so long: a readable input soon is better than the smallest late.
const PATIENCE: Duration = Duration::from_secs(20);

/// The simplest choices found that still fail.
pub fn shrink(mut choices: Vec<u32>, fails: impl Fn(&[u32]) -> bool) -> Vec<u32> {
    let began = Instant::now();
    let better = |choices: &mut Vec<u32>, candidate: Vec<u32>| {
        let fails = began.elapsed() < PATIENCE && fails(&candidate);
        if fails {
            *choices = candidate;
        }
        fails
    };
    loop {
        let before = choices.clone();
        for size in [128, 32, 8, 4, 2, 1] {
            let mut end = choices.len();
            while end > 0 {
                let start = end.saturating_sub(size);
                let without = choices.iter().take(start).chain(choices.iter().skip(end)).copied().collect();
                let zeroed = choices.iter().enumerate();
                let zeroed: Vec<u32> =
                    zeroed.map(|(at, value)| if (start..end).contains(&at) { 0 } else { *value }).collect();
                if !better(&mut choices, without) && zeroed != choices {
                    better(&mut choices, zeroed);
                }
                end = start.min(choices.len());
            }
        }
        for at in 0..choices.len() {
            while let Some(value) = choices.get(at).copied().filter(|value| *value > 0) {
                let with = |value: u32| {
                    let mut candidate = choices.clone();
                    candidate.iter_mut().skip(at).take(1).for_each(|place| *place = value);
                    candidate
                };
                let (half, less) = (with(value / 2), with(value - 1));
                if !better(&mut choices, half) && !better(&mut choices, less) {
                    break;
                }
            }
        }
        if choices == before || began.elapsed() >= PATIENCE {
            return choices;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_still_fails_is_found() {
        let start: Vec<u32> = (0..200).map(|n| n * 37 % 101).collect();
        assert_eq!(shrink(start, |choices| choices.iter().any(|value| *value >= 60)), [60]);
    }
}
