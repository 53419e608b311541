//! The settings of a client, their defaults, and the one rule they must keep.

use core::fmt;
use core::time::Duration;

use crate::name::Owner;
use crate::request::Heartbeat;
use crate::session::Backoff;
use crate::table::Table;
use crate::time::Drift;

/// How many connections a client may have for acquires and releases.
const MOST_SESSIONS: usize = 1_000;

/// The settings of a client. All spans are counted on the client's own clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Config {
    /// The table; `locks` by default.
    pub table: Table,
    /// Who holds the locks, for people; empty by default.
    pub owner: Owner,
    /// The lease, in whole milliseconds; 20 s.
    pub lease: Duration,
    /// The heartbeats; a quarter of the lease if `None`.
    pub heartbeat: Option<Heartbeat>,
    /// How long to wait for a reply before its session is given up; 5 s, and never more than a
    /// quarter of the lease of the lock it is about.
    pub reply_deadline: Duration,
    /// How long a connection may take to open; 10 s.
    pub connect_deadline: Duration,
    /// How wrong the clock may be; 1 % and 1 ms.
    pub drift: Drift,
    /// How long a statement waits for a row that another transaction has locked; 2 s, and never more
    /// than half its reply deadline.
    pub lock_timeout: Duration,
    /// How often a waiter looks at the row, spread between half of it and the whole; 500 ms, and never more
    /// than half of `patience`. A lock that was handed over is left for twice as long to whoever it is for.
    pub poll: Duration,
    /// The longest lease an acquire may ask for; 10 minutes.
    pub longest_lease: Duration,
    /// How holders are treated that are not of this library.
    pub foreign: Foreign,
    /// How long tries, probes and questions go on without an answer from the server; 10 s.
    pub patience: Duration,
    /// How soon to connect again after a connection broke; 50 ms, doubling up to 5 s.
    pub backoff: Backoff,
    /// How many connections carry acquires and releases at most; 2, and 1,000 would be the most. Renewals
    /// have one more of their own.
    pub work_sessions: usize,
    /// How long the session that carries advisory locks may give no sign of life before they count as lost; 15 s. It
    /// is looked after three times as often.
    pub silence: Duration,
    /// In how many places of the server's lock space the client may hold or await advisory locks; 1,000. By
    /// default a server has room for some 6,400 among all that it locks, and when they are used up others
    /// fail, too.
    pub advisory_places: usize,
    /// Whether each grant of an advisory lock draws a fencing token while the lock is held, from the sequence that the
    /// leases of the same table draw from; no. The sequence must be there
    /// ([`Statement::CreateTable`](crate::Statement::CreateTable)).
    pub advisory_tokens: bool,
    /// How long a statement waits at most that [waits in line](crate::AdvisoryRequest::in_line) for an advisory lock,
    /// in whole milliseconds; 500 ms, and never more than a third of `silence` or half of the server's
    /// `deadlock_timeout`, 1 s by default: `CREATE INDEX CONCURRENTLY` waits for such a statement, and one that runs
    /// where the lock is held is then no deadlock.
    pub slice: Duration,
    /// In how many places at most advisory locks are waited for in line or held since, each on a connection of its
    /// own; 16. Those that are asked for when there are so many are asked for every `poll` instead.
    pub lines: usize,
    /// Whether to be told of releases, on one more connection that is opened when somebody waits for another
    /// client; on. A driver that brings no notifications
    /// ([`Client::handle_notification`](crate::Client::handle_notification)) should say no. A waiter is woken by one
    /// only before its next look, so that nothing depends on them.
    pub hints: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            table: Table::default(),
            owner: Owner::default(),
            lease: Duration::from_secs(20),
            heartbeat: None,
            reply_deadline: Duration::from_secs(5),
            connect_deadline: Duration::from_secs(10),
            drift: Drift::default(),
            lock_timeout: Duration::from_secs(2),
            poll: Duration::from_millis(500),
            longest_lease: Duration::from_secs(600),
            foreign: Foreign::default(),
            patience: Duration::from_secs(10),
            backoff: Backoff::default(),
            work_sessions: 2,
            silence: Duration::from_secs(15),
            advisory_places: 1_000,
            advisory_tokens: false,
            slice: Duration::from_millis(500),
            lines: 16,
            hints: true,
        }
    }
}

/// How to live beside clients of the Go library cirello.io/pglock on one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "three plain settings")]
pub struct Foreign {
    /// The lease they use, which does not stand in their rows; 20 s.
    pub lease: Duration,
    /// Their heartbeat; 5 s. They keep no deadline of their own, so two of them are added to their lease.
    pub heartbeat: Duration,
    /// Set when such clients use the table: the shortest lease among them. They wait only their own
    /// lease, so none here may be longer.
    pub shortest_lease: Option<Duration>,
}

impl Default for Foreign {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(20),
            heartbeat: Duration::from_secs(5),
            shortest_lease: None,
        }
    }
}

impl Foreign {
    /// How long a row of theirs must stay unchanged before a client of lease `own` takes it over.
    pub(crate) fn dead_after(self, own: Duration) -> Duration {
        own.max(self.lease).saturating_add(self.heartbeat.saturating_mul(2))
    }
}

/// The spans of one lock, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Timing {
    /// The lease, in whole milliseconds.
    pub lease: Duration,
    /// The heartbeats.
    pub heartbeat: Heartbeat,
    /// How long to wait for a reply about this lock.
    pub reply_deadline: Duration,
    /// How long its statements wait for a locked row.
    pub lock_timeout: Duration,
}

impl Config {
    /// Checks the settings.
    ///
    /// # Errors
    /// When a heartbeat and its repetition do not fit into the lease: unless
    /// `2 * heartbeat + reply deadline <= (lease - g)(1 - rho)/(1 + rho) - g`; when the lease is too
    /// long, or a span is zero that must not be.
    pub fn check(&self) -> Result<(), ConfigError> {
        let spans = [
            (self.reply_deadline, "reply_deadline"),
            (self.connect_deadline, "connect_deadline"),
            (self.lock_timeout, "lock_timeout"),
            (self.poll, "poll"),
            (self.patience, "patience"),
            (self.silence, "silence"),
            (self.slice, "slice"),
            (self.backoff.first, "backoff"),
        ];
        if let Some((_, setting)) = spans.into_iter().find(|(span, _)| span.is_zero()) {
            return Err(ConfigError::Zero { setting });
        }
        if self.work_sessions == 0 {
            return Err(ConfigError::Zero { setting: "work_sessions" });
        }
        if self.work_sessions > MOST_SESSIONS {
            return Err(ConfigError::TooManySessions { sessions: self.work_sessions });
        }
        self.timing(None, None).map(|_| ())
    }

    /// How often a waiter looks at the row: at least twice within the patience.
    pub(crate) fn look_every(&self) -> Duration {
        self.poll.min(self.patience / 2)
    }

    /// How long a lock that has been handed over is kept for whoever it is for: who hears of nothing has looked twice
    /// by then.
    pub(crate) fn hand_over(&self) -> Duration {
        self.look_every().saturating_mul(2)
    }

    /// How long a statement waits in line: there is time left for its answer before the session counts as lost.
    pub(crate) fn longest_slice(&self) -> Duration {
        self.slice.min(self.silence / 3)
    }

    /// The spans of a lock with this lease and these heartbeats, or the client's.
    ///
    /// # Errors
    /// As [`Config::check`].
    pub fn timing(
        &self,
        lease: Option<Duration>,
        heartbeat: Option<Heartbeat>,
    ) -> Result<Timing, ConfigError> {
        let own_lease = lease.is_some();
        let lease = whole_milliseconds(lease.unwrap_or(self.lease));
        self.check_length(lease)?;
        let inherited = if own_lease { None } else { self.heartbeat };
        let heartbeat = heartbeat.or(inherited).unwrap_or(Heartbeat::Every(lease / 4));
        let reply_deadline = self.reply_deadline.min(lease / 4);
        let valid = self.drift.validity(lease);
        let needed = match heartbeat {
            Heartbeat::Every(every) if every.is_zero() => {
                return Err(ConfigError::Zero { setting: "heartbeat" });
            }
            Heartbeat::Every(every) => every.saturating_mul(2).saturating_add(reply_deadline),
            Heartbeat::ByHand => reply_deadline,
        };
        if needed > valid || valid.is_zero() {
            return Err(ConfigError::HeartbeatTooSlow { needed, valid });
        }
        let lock_timeout = self.lock_timeout.min(reply_deadline / 2);
        Ok(Timing { lease, heartbeat, reply_deadline, lock_timeout })
    }

    fn check_length(&self, lease: Duration) -> Result<(), ConfigError> {
        if lease > self.longest_lease {
            return Err(ConfigError::LeaseTooLong { lease, longest: self.longest_lease });
        }
        match self.foreign.shortest_lease {
            Some(shortest) if lease > shortest => {
                Err(ConfigError::LeaseOutlastsForeign { lease, shortest })
            }
            Some(_) | None => Ok(()),
        }
    }
}

fn whole_milliseconds(lease: Duration) -> Duration {
    Duration::from_millis(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX))
}

/// Why settings are refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// A heartbeat, its repetition and the wait for a reply do not fit into the time a lease can be trusted.
    HeartbeatTooSlow {
        /// Two heartbeats and a reply deadline.
        needed: Duration,
        /// How long the lease can be trusted.
        valid: Duration,
    },
    /// The lease is longer than the longest allowed.
    LeaseTooLong {
        /// The lease.
        lease: Duration,
        /// The longest allowed.
        longest: Duration,
    },
    /// The lease is longer than the shortest of the Go clients on the same table, which would take
    /// over too early.
    LeaseOutlastsForeign {
        /// The lease.
        lease: Duration,
        /// The shortest of theirs.
        shortest: Duration,
    },
    /// More connections than any server should be asked for.
    TooManySessions {
        /// How many.
        sessions: usize,
    },
    /// A setting is zero that must not be.
    Zero {
        /// Which.
        setting: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeartbeatTooSlow { needed, valid } => write!(
                f,
                "two heartbeats and a reply deadline take {needed:?}, but the lease can be trusted for {valid:?} only; \
                 lengthen the lease or shorten the heartbeat"
            ),
            Self::LeaseTooLong { lease, longest } => {
                write!(f, "the lease of {lease:?} is longer than the longest allowed, {longest:?}")
            }
            Self::LeaseOutlastsForeign { lease, shortest } => write!(
                f,
                "the lease of {lease:?} is longer than {shortest:?}, the shortest of the Go clients on this table"
            ),
            Self::TooManySessions { sessions } => {
                write!(f, "work_sessions is {sessions}, which is more than {MOST_SESSIONS}")
            }
            Self::Zero { setting } => write!(f, "{setting} must not be zero"),
        }
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn refusals_say_what_is_wrong() {
        let second = Duration::from_secs(1);
        for (refusal, words) in [
            (
                ConfigError::HeartbeatTooSlow { needed: second * 2, valid: second },
                "two heartbeats and a reply deadline take 2s, but the lease can be trusted for 1s only; \
                 lengthen the lease or shorten the heartbeat",
            ),
            (
                ConfigError::LeaseTooLong { lease: second * 2, longest: second },
                "the lease of 2s is longer than the longest allowed, 1s",
            ),
            (
                ConfigError::LeaseOutlastsForeign { lease: second * 2, shortest: second },
                "the lease of 2s is longer than 1s, the shortest of the Go clients on this table",
            ),
            (
                ConfigError::TooManySessions { sessions: 1_001 },
                "work_sessions is 1001, which is more than 1000",
            ),
            (ConfigError::Zero { setting: "poll" }, "poll must not be zero"),
        ] {
            assert_eq!(refusal.to_string(), words);
        }
    }

    #[test]
    fn the_defaults_keep_the_rule() {
        let timing = Config::default().timing(None, None).unwrap();
        assert_eq!(timing.heartbeat, Heartbeat::Every(Duration::from_secs(5)));
        assert_eq!(timing.reply_deadline, Duration::from_secs(5));
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn another_lease_brings_its_own_heartbeat() {
        let config = Config::default();
        let timing = config.timing(Some(Duration::from_micros(1_000_900)), None).unwrap();
        assert_eq!(timing.lease, Duration::from_secs(1));
        assert_eq!(timing.heartbeat, Heartbeat::Every(Duration::from_millis(250)));
        assert_eq!(timing.lock_timeout, Duration::from_millis(125));
    }

    #[test]
    fn a_heartbeat_that_leaves_no_second_chance_is_refused() {
        let slow = Some(Heartbeat::Every(Duration::from_secs(8)));
        let refused = Config::default().timing(None, slow);
        assert!(matches!(refused, Err(ConfigError::HeartbeatTooSlow { .. })));
        let refused = Config::default().timing(Some(Duration::from_millis(1)), None);
        assert!(matches!(refused, Err(ConfigError::HeartbeatTooSlow { .. })));
    }

    #[test]
    fn what_just_fits_is_accepted() {
        let mut config = Config::default();
        config.longest_lease = config.lease;
        config.foreign.shortest_lease = Some(config.lease);
        config.work_sessions = 1_000;
        assert_eq!(config.check(), Ok(()));
        let heartbeat = |every| Some(Heartbeat::Every(every));
        config.drift = Drift::new(0, Duration::ZERO).unwrap();
        let whole = (config.lease - config.reply_deadline) / 2;
        assert!(config.timing(None, heartbeat(whole)).is_ok());
        let longer = whole + Duration::from_nanos(1);
        assert!(config.timing(None, heartbeat(longer)).is_err());
    }

    #[test]
    fn a_heartbeat_of_no_length_is_refused() {
        let refused = Config::default().timing(None, Some(Heartbeat::Every(Duration::ZERO)));
        assert_eq!(refused, Err(ConfigError::Zero { setting: "heartbeat" }));
    }

    #[test]
    fn leases_have_an_upper_end() {
        let mut config = Config::default();
        let hour = Some(Duration::from_secs(3600));
        assert!(matches!(config.timing(hour, None), Err(ConfigError::LeaseTooLong { .. })));
        config.foreign.shortest_lease = Some(Duration::from_secs(10));
        assert!(matches!(config.check(), Err(ConfigError::LeaseOutlastsForeign { .. })));
    }

    #[test]
    fn zero_spans_are_refused_by_name() {
        let mut config = Config::default();
        config.poll = Duration::ZERO;
        assert_eq!(config.check(), Err(ConfigError::Zero { setting: "poll" }));
    }

    #[test]
    fn more_sessions_than_any_server_has_are_refused() {
        let mut config = Config::default();
        config.work_sessions = usize::MAX;
        let sessions = config.work_sessions;
        assert_eq!(config.check(), Err(ConfigError::TooManySessions { sessions }));
    }
}
