//! What an input is made of: small numbers, drawn at random and written down, or given again.
//!
//! A generator asks for one choice after the other. Failing, the choices are made fewer and smaller, and the generator makes
//! the simpler input of them: so nothing else has to know how to shrink. Zero is always the simplest choice.

/// Choices, and where they come from.
#[derive(Clone, Debug)]
pub struct Choices {
    state: u64,
    given: Option<Vec<u32>>,
    taken: Vec<u32>,
}

impl Choices {
    /// Choices at random; the same seed gives the same ones.
    pub fn random(seed: u64) -> Self {
        Self { state: seed, given: None, taken: Vec::new() }
    }

    /// These choices; zeros where they end.
    pub fn given(choices: Vec<u32>) -> Self {
        Self { state: 0, given: Some(choices), taken: Vec::new() }
    }

    /// Begins anew at random, with the memory of before.
    pub fn again(&mut self, seed: u64) {
        self.state = seed;
        self.given = None;
        self.taken.clear();
    }

    /// What was chosen so far.
    pub fn taken(&self) -> &[u32] {
        &self.taken
    }

    /// A number below this one.
    pub fn below(&mut self, most: u32) -> u32 {
        let drawn = match &self.given {
            Some(given) => given.get(self.taken.len()).copied().unwrap_or_default(),
            None => u32::try_from(mix(&mut self.state) >> 32).unwrap_or_default(),
        };
        let chosen = drawn % most.max(1);
        self.taken.push(chosen);
        chosen
    }

    /// The same, to count with.
    pub fn upto(&mut self, most: usize) -> usize {
        usize::try_from(self.below(u32::try_from(most).unwrap_or(u32::MAX - 1) + 1)).unwrap_or_default()
    }

    /// Whether something with a chance of so many in a hundred is so.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) >= 100 - percent
    }

    /// One of these.
    pub fn pick<'v, T>(&mut self, values: &'v [T]) -> Option<&'v T> {
        let place = self.below(u32::try_from(values.len()).unwrap_or(u32::MAX));
        values.get(usize::try_from(place).unwrap_or_default())
    }

    /// One of these words.
    pub fn word<'v>(&mut self, words: &[&'v str]) -> &'v str {
        self.pick(words).copied().unwrap_or_default()
    }

    /// A number: small ones, edges, any.
    pub fn number(&mut self) -> i64 {
        const EDGES: &[i64] = &[
            0,
            1,
            -1,
            2,
            100,
            255,
            256,
            999,
            1000,
            65_535,
            65_536,
            86_400,
            i32::MAX as i64,
            i32::MIN as i64,
            u32::MAX as i64,
            u32::MAX as i64 + 1,
            1_795_258_800,
            253_402_300_799,
            253_402_300_800,
            i64::MAX,
            i64::MIN,
            i64::MAX - 1,
        ];
        match self.below(3) {
            0 => self.pick(EDGES).copied().unwrap_or_default(),
            1 => i64::from(self.below(1000)),
            _ => i64::from(self.below(u32::MAX)) << self.below(32),
        }
    }
}

/// SplitMix64: quick, and good enough to look everywhere.
pub fn mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_gives_the_same_again() {
        let mut first = Choices::random(7);
        let numbers: Vec<u32> = (1..40).map(|most| first.below(most)).collect();
        let mut again = Choices::given(first.taken().to_vec());
        assert_eq!((1..40).map(|most| again.below(most)).collect::<Vec<_>>(), numbers);
        assert_eq!(again.below(5), 0, "zeros where they end");
        assert!(!Choices::given(Vec::new()).chance(99));
    }
}
