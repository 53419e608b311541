//! The list of all promises, and how one of them is put to the test.

use std::any::Any;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::broken::Broken;
use super::promise;
use super::subject::Subject;

/// Something that a driver promises.
#[derive(Clone, Copy)]
pub struct Promise {
    name: &'static str,
    made_by: Makers,
    keep: for<'a> fn(&'a Subject) -> LocalBoxFuture<'a, Result<(), Broken>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Makers {
    Both,
    Async,
    Blocking,
}

/// How many times the patience of its steps a promise may take. Only a driver that never lets go of the thread that
/// polls it makes anybody wait for it.
const STEPS: u32 = 20;

impl Promise {
    /// The function's name, and the test's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether drivers of this kind make it.
    #[must_use]
    pub const fn is_made_by(&self, subject: &Subject) -> bool {
        match self.made_by {
            Makers::Both => true,
            Makers::Async => !subject.is_blocking(),
            Makers::Blocking => subject.is_blocking(),
        }
    }

    /// Puts a driver to the test, on a thread of its own. Waits for that thread to end, too, unless it hangs.
    ///
    /// # Errors
    /// How it broke the promise.
    pub fn test(&self, subject: Subject) -> Result<(), Broken> {
        let limit = subject.patient() * STEPS;
        let subject = Arc::new(subject);
        let (keep, tried) = (self.keep, Arc::clone(&subject));
        let ((tell, told), (ends, end)) = (channel(), channel::<()>());
        thread::spawn(move || {
            let promise = async move {
                let kept = AssertUnwindSafe(keep(&tried)).catch_unwind().await;
                let kept = kept.unwrap_or_else(|panic| driver_panicked(panic.as_ref()));
                let _nobody_waits = tell.send(kept).is_err();
            };
            subject.run(promise.boxed_local());
            drop((subject, ends));
        });
        let kept = told.recv_timeout(limit).unwrap_or_else(|error| {
            Err(Broken::new(match error {
                RecvTimeoutError::Timeout => {
                    "the driver does not let go of the thread that polls it"
                }
                RecvTimeoutError::Disconnected => "block_on has not run the future to its end",
            }))
        });
        let _ended_or_hangs = end.recv_timeout(limit).is_err();
        kept
    }
}

fn driver_panicked(panic: &(dyn Any + Send)) -> Result<(), Broken> {
    Err(Broken::panicked("the driver", panic))
}

impl fmt::Debug for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Puts a driver to the test, for a test of this name.
///
/// # Panics
/// When it breaks the promise, and says how.
#[doc(hidden)]
#[expect(clippy::panic, reason = "a test fails")]
pub fn prove(name: &str, subject: Subject) {
    let Some(promise) = PROMISES.iter().find(|promise| promise.name == name) else {
        panic!("there is no promise {name}");
    };
    if let Err(broken) = promise.test(subject) {
        panic!("{name}: {broken}");
    }
}

/// Hands the names of all promises to a macro: what both kinds of drivers promise, what only async ones do, and
/// what only blocking ones do. In the order of the list, what a promise rests on comes before it.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_promises {
    ($($then:tt)::+ { $($args:tt)* }) => {
        $($then)::+! { $($args)*
            Both: sessions_of_every_kind_can_be_had
            Both: a_session_keeps_what_it_was_told
            Both: a_refusal_is_told_with_the_servers_error
            Both: an_unreachable_server_has_refused_nothing
            Async: a_connection_that_hangs_can_be_dropped
            Both: numbers_keep_all_64_bits
            Both: truth_values_stay_what_they_are
            Both: null_is_not_empty
            Both: columns_stand_in_the_statements_order
            Both: rows_come_in_the_servers_order
            Both: no_rows_are_an_answer
            Both: arrays_of_numbers_arrive_whole
            Both: texts_arrive_whole
            Both: arrays_of_texts_arrive_whole
            Both: bytes_arrive_whole
            Both: statements_are_not_mixed_up
            Both: sessions_get_their_own_answers
            Both: errors_keep_their_code_severity_and_words
            Both: an_error_leaves_the_session_sound
            Both: a_text_with_nul_is_refused
            Async: commands_may_be_under_way_together
            Both: a_thousand_heartbeats_are_one_statement
            Both: a_lost_reply_is_lost
            Both: an_error_that_ends_the_session_says_so
            Both: a_killed_session_answers_no_more
            Both: the_end_of_a_connection_is_told
            Both: a_living_connection_is_not_told_to_have_ended
            Both: a_dropped_session_ends
            Async: a_dropped_session_ends_though_a_statement_waits
            Async: a_dropped_command_shifts_no_answer
            Both: a_notification_wakes_whoever_waits
            Both: a_statement_under_way_costs_no_notification
            Both: notifications_are_kept_while_nobody_asks
            Both: notifications_come_in_order_and_whole
            Async: a_dropped_wait_costs_no_notification
            Blocking: a_wait_for_a_notification_lasts_as_long_as_it_may
            Both: the_clock_never_runs_back
            Both: the_clock_is_read_when_it_is_asked
            Both: the_clock_runs_at_the_servers_rate
            Async: a_moment_that_has_passed_is_not_waited_for
            Async: a_sleep_does_not_end_early
            Async: a_sleep_ends_soon_after_its_moment
            Async: a_moment_that_is_far_off_is_not_reached
            Async: sleepers_do_not_disturb_each_other
            Both: the_locks_work
            Both: clients_exclude_each_other_while_sessions_are_killed
        }
    };
}

macro_rules! list {
    ($($made_by:ident: $name:ident)*) => {
        /// All of them. What a promise rests on comes before it.
        pub const PROMISES: &[Promise] = &[$(Promise {
            name: stringify!($name),
            made_by: Makers::$made_by,
            keep: |subject| Box::pin(promise::$name(subject)),
        }),*];
    };
}

__conformance_promises! { list {} }

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use pglock_core::{Command, Outcome, SessionKind};
    use pglock_driver::blocking::{Connect, Session};
    use pglock_driver::{BootClock, Clock, ConnectError, Instant, Timer};

    use super::*;
    use crate::conformance::block_on::block_on;

    /// Nobody answers.
    struct Nobody;

    struct Unreachable;

    impl Connect for Nobody {
        type Session = Unreachable;

        fn connect(&self, _: SessionKind) -> Result<Unreachable, ConnectError> {
            Err(ConnectError::unreachable("nobody is there"))
        }
    }

    impl pglock_driver::Connect for Nobody {
        type Session = Unreachable;

        async fn connect(&self, _: SessionKind) -> Result<Unreachable, ConnectError> {
            thread::sleep(Duration::from_secs(2));
            Err(ConnectError::unreachable("nobody is there"))
        }
    }

    impl Session for Unreachable {
        fn execute(&mut self, _: &Command) -> Outcome {
            Outcome::Lost
        }

        fn is_closed(&self) -> bool {
            true
        }
    }

    impl pglock_driver::Session for Unreachable {
        async fn execute(&self, _: Command) -> Outcome {
            Outcome::Lost
        }

        async fn closed(&self) {}
    }

    struct Sleepless;

    impl Clock for Sleepless {
        fn now(&self) -> Instant {
            BootClock.now()
        }
    }

    impl Timer for Sleepless {
        async fn sleep_until(&self, _: Instant) {
            pending().await
        }
    }

    const URL: &str = "postgres://localhost/app";

    fn words(name: &str, subject: Subject) -> String {
        let promise = PROMISES.iter().find(|promise| promise.name() == name).unwrap();
        promise.test(subject).unwrap_err().to_string()
    }

    #[test]
    fn promises_are_made_by_some_drivers_only() {
        let blocking = Subject::blocking(URL, |_| Nobody, BootClock);
        let by_async = Subject::new(URL, |_| Nobody, Sleepless, block_on);
        let made = |subject: &Subject| PROMISES.iter().filter(|p| p.is_made_by(subject)).count();
        let by_both = PROMISES.iter().filter(|promise| promise.made_by == Makers::Both).count();
        assert!(made(&blocking) > by_both && made(&by_async) > by_both);
        assert_eq!(made(&blocking) + made(&by_async), PROMISES.len() + by_both);
    }

    #[test]
    fn what_a_driver_does_is_told() {
        let blocking = Subject::blocking(URL, |_| Nobody, BootClock);
        assert!(words("numbers_keep_all_64_bits", blocking).contains("nobody is there"));
        let panics = Subject::blocking(URL, |_| -> Nobody { panic!("oh") }, BootClock);
        assert_eq!(words("numbers_keep_all_64_bits", panics), "the driver panicked: oh");
        let sleepless = Subject::new(URL, |_| Nobody, Sleepless, block_on);
        let told =
            words("a_sleep_does_not_end_early", sleepless.patience(Duration::from_millis(1)));
        assert_eq!(told, "sleep_until() does not end in 1ms");
    }

    #[test]
    fn whoever_keeps_the_thread_is_given_up() {
        let hogs = Subject::new(URL, |_| Nobody, Sleepless, block_on);
        let told = words("numbers_keep_all_64_bits", hogs.patience(Duration::from_millis(1)));
        assert!(told.contains("does not let go of the thread"), "{told}");
        let drops = Subject::new(URL, |_| Nobody, Sleepless, drop);
        let told = words("numbers_keep_all_64_bits", drops);
        assert!(told.contains("block_on has not run"), "{told}");
    }

    #[test]
    #[should_panic(expected = "numbers_keep_all_64_bits: no connection of kind Work: nobody is")]
    fn a_test_fails_with_what_was_seen() {
        prove("numbers_keep_all_64_bits", Subject::blocking(URL, |_| Nobody, BootClock));
    }
}
