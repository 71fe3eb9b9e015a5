//! Runs targets: two threads, a watchdog, and for what breaks a promise the simplest input that does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::abort;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::choices::{Choices, mix};
use crate::shrink::shrink;

const THREADS: usize = 2;
/// So many inputs are taken by a thread at a time.
const BLOCK: u64 = 256;
/// An input that a thread works on for longer hangs. The slowest ones take milliseconds; but a machine that is busy with other
/// things may give a thread no time at all for a while.
const HANGS: Duration = Duration::from_secs(10);
/// By the clock, whatever a thread worked, this is too long.
const STANDS: Duration = Duration::from_secs(600);
/// How much of an input is printed, and of one line of it.
const SHOWN: usize = 12_000;
const LINE_SHOWN: usize = 1_000;

/// A promise that an input broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The promise; shrinking keeps to it.
    pub promise: &'static str,
    /// How it was broken.
    pub how: String,
}

/// Whether every promise was kept.
pub type Kept = Result<(), Broken>;

/// A promise with what to say if it is broken.
///
/// # Errors
/// The promise, where it is not so.
pub fn promise(kept: bool, promise: &'static str, how: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(Broken { promise, how: how() }) }
}

/// Something that takes inputs: how they are made, and what is promised for every one.
pub trait Target: Sync {
    /// A word for it.
    fn name(&self) -> &'static str;
    /// What it is about.
    fn about(&self) -> &'static str;
    /// Its part of all inputs, in a hundred.
    fn share(&self) -> u64;
    /// Makes an input and asks whether the promises hold for it.
    fn try_one(&self, choices: &mut Choices) -> Kept;
    /// The input, for people.
    fn show(&self, choices: &mut Choices) -> String;
}

/// A target of inputs of one type.
pub struct Of<I> {
    pub name: &'static str,
    pub about: &'static str,
    pub share: u64,
    pub make: fn(&mut Choices) -> I,
    pub check: fn(&I) -> Kept,
}

impl<I: Debug> Target for Of<I> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn share(&self) -> u64 {
        self.share
    }

    fn try_one(&self, choices: &mut Choices) -> Kept {
        quietly(|| {
            let input = (self.make)(choices);
            (self.check)(&input)
        })
    }

    fn show(&self, choices: &mut Choices) -> String {
        let text = format!("{:#?}", (self.make)(choices));
        let lines: Vec<String> = text.lines().map(|line| short(line, LINE_SHOWN)).collect();
        short(&lines.join("\n"), SHOWN)
    }
}

/// The beginning of a text, with its length where that is not all.
fn short(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        text.to_owned()
    } else {
        format!("{} … ({length} characters)", text.chars().take(most).collect::<String>())
    }
}

thread_local! {
    /// What a panic said, while panics are caught on this thread.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs something of which a panic is a broken promise, not a page on the terminal.
fn quietly(run: impl FnOnce() -> Kept) -> Kept {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let caught = PANIC.with_borrow_mut(|panic| match panic {
                Some(said) => {
                    *said = info.to_string();
                    true
                }
                None => false,
            });
            if !caught {
                before(info);
            }
        }));
    });
    PANIC.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(run));
    let said = PANIC.take().unwrap_or_default();
    result.unwrap_or(Err(Broken { promise: "nothing panics", how: said }))
}

/// What a target came to.
#[derive(Debug)]
pub struct Ran {
    pub inputs: u64,
    pub took: Duration,
    /// Each promise that was broken: how often, and a report of its simplest input.
    pub broken: Vec<String>,
}

/// The first input that broke a promise, and how many did.
struct Found {
    broken: Broken,
    choices: Vec<u32>,
    times: u64,
}

/// The seed of one input.
fn seed_of(seed: u64, name: &str, number: u64) -> u64 {
    let mut state = seed ^ number.wrapping_mul(0xd134_2543_de82_ef95);
    for byte in name.bytes() {
        state = mix(&mut state) ^ u64::from(byte);
    }
    mix(&mut state)
}

/// Tries so many inputs.
pub fn run(target: &dyn Target, inputs: u64, seed: u64) -> Ran {
    let began = Instant::now();
    let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let found: Mutex<BTreeMap<&'static str, Found>> = Mutex::default();
    let workers: [Worker; THREADS] = std::array::from_fn(|_| Worker::default());
    std::thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(|| {
                worker.is_this_thread();
                let at = &worker.at;
                let mut choices = Choices::random(0);
                loop {
                    let first = next.fetch_add(BLOCK, Ordering::Relaxed);
                    for number in first..(first + BLOCK).min(inputs) {
                        at.store(number, Ordering::Relaxed);
                        choices.again(seed_of(seed, target.name(), number));
                        if let Err(broken) = target.try_one(&mut choices) {
                            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                            let choices = choices.taken().to_vec();
                            let first = found.entry(broken.promise).or_insert(Found { broken, choices, times: 0 });
                            first.times += 1;
                        }
                    }
                    if first >= inputs {
                        break;
                    }
                }
                at.store(u64::MAX, Ordering::Relaxed);
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        watch(target, seed, &workers, || done.load(Ordering::Relaxed) >= THREADS as u64);
    });
    let took = began.elapsed();
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let broken = found.into_values().map(|found| report(target, found)).collect();
    Ran { inputs, took, broken }
}

/// A thread that takes inputs.
struct Worker {
    /// The input that it is at.
    at: AtomicU64,
    /// Where the system says how long it has worked, if it does.
    statistics: OnceLock<PathBuf>,
}

impl Default for Worker {
    fn default() -> Self {
        Self { at: AtomicU64::new(u64::MAX), statistics: OnceLock::new() }
    }
}

impl Worker {
    fn is_this_thread(&self) {
        if let Ok(thread) = std::fs::read_link("/proc/thread-self") {
            self.statistics.get_or_init(|| Path::new("/proc").join(thread).join("schedstat"));
        }
    }

    /// How long the thread has worked: its first number, in nanoseconds.
    fn worked(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(self.statistics.get()?).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }

    /// Whether it hangs at an input that it was seen to begin then, having worked so long before.
    fn hangs(&self, since: Instant, before: Option<Duration>) -> bool {
        let by_clock = since.elapsed();
        by_clock > HANGS
            && (by_clock > STANDS
                || before.is_none_or(|before| self.worked().is_none_or(|worked| worked.saturating_sub(before) > HANGS)))
    }
}

/// Ends everything where an input hangs: no thread can be stopped, but it can be said which input it was.
fn watch(target: &dyn Target, seed: u64, workers: &[Worker], over: impl Fn() -> bool) {
    let mut seen: Vec<(u64, Instant, Option<Duration>)> =
        workers.iter().map(|_| (u64::MAX, Instant::now(), None)).collect();
    while !over() {
        std::thread::sleep(Duration::from_millis(20));
        for (worker, seen) in workers.iter().zip(&mut seen) {
            let number = worker.at.load(Ordering::Relaxed);
            if seen.0 != number {
                *seen = (number, Instant::now(), worker.worked());
            } else if number != u64::MAX && worker.hangs(seen.1, seen.2) {
                eprintln!(
                    "BROKEN: {}: an input hangs: number {number} of seed {seed} takes longer than {} s\n{}",
                    target.name(),
                    HANGS.as_secs(),
                    target.show(&mut Choices::random(seed_of(seed, target.name(), number)))
                );
                abort();
            }
        }
    }
}

/// What broke a promise, as simple as it gets.
fn report(target: &dyn Target, found: Found) -> String {
    let promise = found.broken.promise;
    let fails = |choices: &[u32]| {
        let tried = target.try_one(&mut Choices::given(choices.to_vec()));
        tried.is_err_and(|broken| broken.promise == promise)
    };
    let choices = shrink(found.choices, fails);
    let how = target.try_one(&mut Choices::given(choices.clone())).err().unwrap_or(found.broken).how;
    let how = short(&how, SHOWN);
    let name = target.name();
    format!(
        "{name}: {promise}: broken by {} inputs\n{how}\nthe simplest one:\n{}\nagain: cargo run --locked --profile model -p fuzz -- {name} {}",
        found.times,
        target.show(&mut Choices::given(choices.clone())),
        write(&choices),
    )
}

/// Choices as a command's argument.
fn write(choices: &[u32]) -> String {
    if choices.is_empty() { "0".to_owned() } else { choices.iter().map(u32::to_string).collect::<Vec<_>>().join(".") }
}

/// Reads [`write`].
pub fn read(text: &str) -> Option<Vec<u32>> {
    text.split('.').map(|number| number.parse().ok()).collect()
}

/// Tries one input again: whether it is good, with its story.
pub fn again(target: &dyn Target, choices: &[u32]) -> (bool, String) {
    let shown = target.show(&mut Choices::given(choices.to_vec()));
    match target.try_one(&mut Choices::given(choices.to_vec())) {
        Ok(()) => (true, format!("{shown}\ngood")),
        Err(Broken { promise, how }) => (false, format!("{shown}\nBROKEN: {promise}\n{how}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(check: fn(&u32) -> Kept) -> Of<u32> {
        Of { name: "t", about: "", share: 100, make: |choices| choices.below(1000) + choices.below(3), check }
    }

    #[test]
    fn what_breaks_a_promise_is_counted_shrunk_and_can_be_tried_again() {
        let target = target(|n| promise(*n < 500, "it is small", || format!("it is {n}")));
        let ran = run(&target, 2_000, 1);
        let [report] = ran.broken.as_slice() else { panic!("{:?}", ran.broken) };
        assert!(report.contains("it is 500") && report.contains("-- t 500"), "{report}");
        assert!(!again(&target, &read("500").unwrap()).0 && again(&target, &[499]).0);
    }

    #[test]
    fn a_panic_is_a_broken_promise() {
        let ran = run(&target(|n| [Ok(()), Ok(())][usize::try_from(*n).unwrap()].clone()), 500, 1);
        assert!(ran.broken.len() == 1 && ran.broken[0].contains("out of bounds"), "{:?}", ran.broken);
    }

    #[test]
    fn a_thread_that_works_on_hangs_and_one_that_gets_no_time_does_not() {
        let worker = Worker::default();
        worker.is_this_thread();
        let Some(long_ago) = Instant::now().checked_sub(HANGS * 2) else { return };
        assert!(!worker.hangs(long_ago, worker.worked()) || worker.worked().is_none());
        assert!(worker.hangs(long_ago, None), "where nobody says how long it worked, the clock does");
        assert!(!worker.hangs(Instant::now(), None));
    }

    #[test]
    fn the_same_seed_gives_the_same_inputs() {
        let first = run(&target(|n| promise(*n != 77, "it is not 77", String::new)), 5_000, 3);
        let again = run(&target(|n| promise(*n != 77, "it is not 77", String::new)), 5_000, 3);
        assert_eq!(first.broken, again.broken);
    }
}
