//! Runs the histories of many seeds on several threads. What is found does not depend on how many: of all
//! seeds whose histories break a rule it is the smallest.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::thread;

use super::tally::Tally;
use super::world::Passed;

/// So many histories a thread takes at once: few, so that all threads end together.
const BLOCK: u64 = 16;

/// Runs the histories of seeds from `first` on, and tells `watch` from time to time how far it is. Answers what
/// came of all of them, or of the one with the smallest seed that broke a rule.
pub(super) fn search<H: Passed, E: Send>(
    first: u64,
    histories: u64,
    jobs: usize,
    history: impl Fn(u64) -> Result<H, E> + Sync,
    mut watch: impl FnMut(&Tally),
) -> Result<Tally, (u64, E)> {
    let queue = Queue { next: AtomicU64::new(0), end: AtomicU64::new(histories) };
    let (sender, blocks) = channel();
    let mut tally = Tally::default();
    let mut broken: Option<(u64, E)> = None;
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (queue, history, sender) = (&queue, &history, sender.clone());
            scope.spawn(move || {
                while let Some(block) = queue.take() {
                    let _nobody_waits = sender.send(queue.run(block, first, history)).is_err();
                }
            });
        }
        drop(sender);
        for block in blocks {
            match block {
                Ok(block) => {
                    tally.add(&block);
                    watch(&tally);
                }
                Err(found) => {
                    let smaller = broken.take().filter(|(seed, _)| *seed < found.0);
                    broken = Some(smaller.unwrap_or(found));
                }
            }
        }
    });
    broken.map_or(Ok(tally), Err)
}

/// What is still to be run, counted from the first seed.
struct Queue {
    next: AtomicU64,
    /// Nothing is of interest from here on: the end, or where a rule is broken.
    end: AtomicU64,
}

impl Queue {
    fn take(&self) -> Option<Range<u64>> {
        let from = self.next.fetch_add(BLOCK, Relaxed);
        let end = self.end.load(Relaxed);
        (from < end).then(|| from..end.min(from.saturating_add(BLOCK)))
    }

    fn run<H: Passed, E>(
        &self,
        block: Range<u64>,
        first: u64,
        history: impl Fn(u64) -> Result<H, E>,
    ) -> Result<Tally, (u64, E)> {
        let mut tally = Tally::default();
        for offset in block {
            if offset >= self.end.load(Relaxed) {
                break;
            }
            let seed = first + offset;
            let history = history(seed).map_err(|broken| {
                self.end.fetch_min(offset, Relaxed);
                (seed, broken)
            })?;
            tally.count(&history);
        }
        Ok(tally)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use pglock_testkit::simulate;

    use super::*;

    #[test]
    fn each_seed_is_run_once_by_any_number_of_threads() {
        let tallies = [1, 2, 7].map(|jobs| {
            let run = Mutex::new(Vec::new());
            let history = |seed| {
                run.lock().unwrap().push(seed);
                simulate(seed)
            };
            let mut watched = 0;
            let tally = search(30, 3 * BLOCK + 1, jobs, history, |tally| watched = tally.histories);
            let mut run = run.into_inner().unwrap();
            run.sort_unstable();
            assert_eq!(run, (30..=30 + 3 * BLOCK).collect::<Vec<_>>());
            assert_eq!(watched, 3 * BLOCK + 1);
            tally.unwrap()
        });
        assert_eq!(tallies[0].histories, 3 * BLOCK + 1);
        assert!(tallies[0].events > 0);
        assert!(tallies.iter().all(|tally| *tally == tallies[0]));
    }

    #[test]
    fn the_smallest_seed_counts_even_if_it_is_found_last() {
        let (small, large) = (BLOCK - 1, BLOCK);
        let found_large = Mutex::new(false);
        let history = |seed| match seed {
            seed if seed == large => {
                *found_large.lock().unwrap() = true;
                Err("large")
            }
            seed if seed == small => {
                while !*found_large.lock().unwrap() {
                    thread::yield_now();
                }
                Err("small")
            }
            seed => Ok(simulate(seed % 4).unwrap()),
        };
        assert_eq!(search(0, 1_000, 2, history, |_| ()), Err((small, "small")));
    }

    #[test]
    fn what_comes_after_a_broken_rule_is_left_out() {
        let last = Mutex::new(0);
        let history = |seed| {
            *last.lock().unwrap() = seed;
            if seed == 3 { Err(()) } else { Ok(simulate(seed).unwrap()) }
        };
        assert_eq!(search(0, u64::MAX, 1, history, |_| ()), Err((3, ())));
        assert_eq!(last.into_inner().unwrap(), 3);
    }

    #[test]
    fn the_last_seeds_are_seeds_like_others() {
        let tally = search(u64::MAX - 1, 2, 1, simulate, |_| ()).unwrap();
        assert_eq!(tally.histories, 2);
    }
}
