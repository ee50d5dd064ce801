//! Fuzzing on stable Rust: known inputs are changed at random, for a bounded time.
//!
//! Without a compiler that counts branches, what an input came to is the feedback: one with a new outcome (another
//! refusal, another shape) is kept and changed further. A target has a folder of its name: its seeds, and under
//! `finds/` each input that once did harm, which is run first for ever after.
//!
//! `FUZZ_SECONDS` is the time of each target, 2 unless set; `FUZZ_SEED` repeats a run, as far as time allows.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

/// The largest input, in bytes.
const MOST: usize = 16 << 10;

/// How many inputs are kept.
const MOST_KEPT: usize = 4_000;

/// The time that one input may take, also on a busy machine.
const SLOW: Duration = Duration::from_secs(20);

/// What an input came to; inputs of one outcome are alike.
pub(crate) struct Outcome(u64);

impl Outcome {
    /// It is told by a text, of which digits do not count: places and sizes.
    pub(crate) fn of(text: impl AsRef<str>) -> Self {
        let letters = text
            .as_ref()
            .chars()
            .filter(|character| !character.is_ascii_digit());
        let mut hasher = DefaultHasher::new();
        letters
            .take(160)
            .for_each(|character| character.hash(&mut hasher));
        Self(hasher.finish())
    }
}

/// What is nested as deep as it may be fits into the 2 MiB of a thread; not so in a build that is not optimised, whose
/// frames are several times as large.
const STACK: usize = 16 << 20;

/// A target: a folder, words of its language, and what is tried.
pub(crate) struct Target<'t> {
    /// Holds the seeds.
    pub(crate) folder: PathBuf,
    /// Further seeds that stand elsewhere.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// What random bytes would hardly ever be.
    pub(crate) words: &'t [&'t str],
}

impl Target<'_> {
    /// Tries all that is known, and what chance makes of it until the time is over. What panics, or takes too long,
    /// is kept among the finds, and fails the test.
    pub(crate) fn run(self, attempt: impl Fn(&[u8]) -> Outcome + Sync) {
        let ended = thread::scope(|scope| {
            let running = thread::Builder::new().stack_size(STACK);
            let running = running.spawn_scoped(scope, || self.try_all(&attempt));
            running.expect("the test may start a thread").join()
        });
        if let Err(panicked) = ended {
            resume_unwind(panicked);
        }
    }

    #[expect(clippy::print_stdout, reason = "what was tried is told with --nocapture")]
    fn try_all(&self, attempt: &impl Fn(&[u8]) -> Outcome) {
        let mut known = files(&self.folder.join("finds"));
        known.extend(files(&self.folder));
        known.extend(self.seeds.iter().cloned());
        assert!(!known.is_empty(), "{} has no seeds", self.folder.display());
        let mut outcomes = HashSet::new();
        for input in &known {
            outcomes.insert(self.attempt(input, attempt));
        }
        let seed = std::env::var("FUZZ_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.map_or(1, |now| now.subsec_nanos().into())
        });
        let mut chance = Chance(seed | 1);
        let seconds = std::env::var("FUZZ_SECONDS")
            .ok()
            .and_then(|text| text.parse().ok());
        let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(2));
        let mut runs = known.len();
        while Instant::now() < until {
            let input = self.changed(&known, &mut chance);
            runs += 1;
            if outcomes.insert(self.attempt(&input, attempt)) && known.len() < MOST_KEPT {
                known.push(input);
            }
        }
        println!(
            "{}: {runs} inputs, {} outcomes, FUZZ_SEED={seed}",
            self.folder.display(),
            outcomes.len()
        );
    }

    fn attempt(&self, input: &[u8], attempt: &impl Fn(&[u8]) -> Outcome) -> u64 {
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| attempt(input)));
        let took = began.elapsed();
        match outcome {
            Ok(Outcome(outcome)) if took < SLOW => outcome,
            outcome => {
                let mut hasher = DefaultHasher::new();
                input.hash(&mut hasher);
                let finds = self.folder.join("finds");
                let path = finds.join(format!("{:016x}", hasher.finish()));
                let kept = fs::create_dir_all(&finds).and_then(|()| fs::write(&path, input));
                let how = if outcome.is_ok() { "is slow" } else { "panics" };
                panic!(
                    "an input {how} ({took:?}); it is in {} ({kept:?}): {}",
                    path.display(),
                    input[..input.len().min(2_000)].escape_ascii()
                );
            }
        }
    }

    /// One of the known inputs, changed.
    fn changed(&self, known: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
        // The latest are the least tried.
        let index = match chance.below(2) {
            0 => known.len() - 1 - chance.below(known.len().min(20)),
            _ => chance.below(known.len()),
        };
        let mut input = known[index].clone();
        for _ in 0..1 + chance.below(4) {
            let (from, to) = chance.range(input.len());
            match chance.below(10) {
                0 if !input.is_empty() => {
                    let at = chance.below(input.len());
                    input[at] ^= 1 << chance.below(8);
                }
                1 if !input.is_empty() => {
                    const TELLING: &[u8] = b"\0\n\r\t \"'<>&{}[]():;,.-+=/\\0159eEn\x7f\x80\xbf\xc3\xed\xff";
                    let at = chance.below(input.len());
                    input[at] = TELLING[chance.below(TELLING.len())];
                }
                2 => drop(input.drain(from..to)),
                3 => input.truncate(from),
                4 => {
                    let part = input[from..to].to_vec();
                    input.splice(from..from, part);
                }
                5 => {
                    // Nesting, floods.
                    let part = input[from..to.min(from + 12)].to_vec();
                    let part = part.repeat(1 << chance.below(12));
                    input.splice(from..from, part);
                }
                6 => {
                    let other = &known[chance.below(known.len())];
                    let (other_from, other_to) = chance.range(other.len());
                    input.splice(from..to, other[other_from..other_to].iter().copied());
                }
                7 => {
                    let digits = [
                        "0",
                        "-1",
                        "9223372036854775808",
                        "1e999",
                        "0.1",
                        "123456789012345678901234567890",
                    ];
                    let digits = digits[chance.below(digits.len())].bytes();
                    input.splice(from..to.min(from + 3), digits);
                }
                _ if !self.words.is_empty() => {
                    let word = self.words[chance.below(self.words.len())];
                    let to = if chance.below(2) == 0 { from } else { to };
                    input.splice(from..to, word.bytes());
                }
                _ => {}
            }
            input.truncate(MOST);
        }
        input
    }
}

/// The contents of the files in a folder, by name; none where there is no folder.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    let read = |path: PathBuf| fs::read(path).expect("it can be read");
    paths.into_iter().map(read).collect()
}

/// Xorshift: good enough for chance, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to below this, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or_default() % limit
    }

    /// A part of something so long; mostly a short one.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let from = self.below(length + 1);
        let most = match self.below(4) {
            0 => length - from,
            _ => (length - from).min(16),
        };
        (from, from + self.below(most + 1))
    }
}
