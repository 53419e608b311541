//! What comes in: outcomes find the row, the renewals or the question they are about, and say
//! something about their session.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::Client;
use crate::bugs::{Bug, made};
use crate::error::{Failure, ServerError, Severity, Standing};
use crate::event::LossCause;
use crate::flight::Cargo;
use crate::lease::answer;
use crate::name::LockName;
use crate::output::{CommandId, Outcome, SessionId};
use crate::statement::RenewalVerdict;
use crate::value::Row;

impl Client {
    /// Whether a session is unfit for use after such an outcome.
    pub(super) fn is_unfit_after(&mut self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Rows(_) => false,
            Outcome::Lost => {
                self.counters.unknown_outcomes += 1;
                true
            }
            Outcome::Failed(error) => {
                let standing = error.standing();
                self.counters.unknown_outcomes += u64::from(standing == Standing::Unknown);
                standing == Standing::SessionUnfit || error.severity != Severity::Error
            }
        }
    }

    /// A session that was given up for what it answered is not judged again.
    pub(super) fn judge(&mut self, session: Option<SessionId>, unfit: bool) {
        match session {
            Some(session) if !self.sessions.knows(session) => {}
            Some(session) if unfit => self.give_up(session),
            Some(_) | None => self.sessions.well(),
        }
    }

    pub(super) fn deliver(&mut self, command: CommandId, cargo: Cargo, outcome: Outcome) {
        match cargo {
            Cargo::Row(name) => self.with_row(&name, |row, context| {
                row.handle_outcome(command, outcome, context);
            }),
            Cargo::Renewals(names) => self.deliver_renewals(command, &names, outcome),
            Cargo::Question(id) => {
                let (questions, mut context) = self.questions_and_context();
                questions.handle_outcome(id, outcome, &mut context);
            }
            Cargo::Listen(session) => self.deliver_listen(session, &outcome),
            Cargo::Advisory(session, call) => self.deliver_advisory(session, call, outcome),
        }
    }

    /// Whatever was released before the server listened was told to nobody.
    fn deliver_listen(&mut self, session: SessionId, outcome: &Outcome) {
        match outcome {
            Outcome::Rows(_) => {
                self.hints.listen(session);
                let watched: Vec<LockName> = self.watched.iter().cloned().collect();
                for name in watched {
                    self.with_row(&name, |row, context| row.look_again(context.now));
                }
                self.advisory.common.hint_all(self.now);
            }
            Outcome::Failed(_) | Outcome::Lost => self.rest_from_hints(),
        }
    }

    /// What cannot be had is not asked for all the time.
    pub(super) fn rest_from_hints(&mut self) {
        let pause = self.jitter.spread(self.config.backoff.longest);
        self.hints.rest_until(self.now.saturating_add(pause));
    }

    /// A lock without a verdict is one whose renewal has no known outcome.
    fn deliver_renewals(&mut self, command: CommandId, names: &[LockName], outcome: Outcome) {
        let (rows, outcome) = match outcome {
            Outcome::Rows(rows) => (rows, Outcome::Lost),
            outcome @ (Outcome::Failed(_) | Outcome::Lost) => (Vec::new(), outcome),
        };
        let mut verdicts = verdicts(rows);
        for name in names {
            let verdict = verdicts.remove(name.as_str());
            self.with_row(name, |row, context| match verdict {
                Some((verdict, lease)) => row.handle_verdict(command, verdict, lease, context),
                None => row.handle_failure(command, &outcome, names.len(), context),
            });
        }
    }

    pub(super) fn give_up(&mut self, session: SessionId) {
        let now = self.now;
        let lost = if made(Bug::M50) {
            self.sessions.disconnected(session, &self.config, &mut self.jitter, now)
        } else {
            self.sessions.give_up(session, &self.config, &mut self.jitter, now)
        };
        self.lose_session(session, lost);
    }

    /// A session is gone, and with it all that was on it and the outcome of its command.
    pub(super) fn lose_session(&mut self, session: SessionId, command: Option<CommandId>) {
        self.hints.lost(session, self.now);
        self.lose_advisory(session, LossCause::SessionEnded);
        self.lose(command);
    }

    pub(super) fn lose(&mut self, command: Option<CommandId>) {
        let Some(command) = command else { return };
        let cargo =
            if made(Bug::M18) { self.flights.copy(command) } else { self.flights.land(command) };
        self.counters.unknown_outcomes += 1;
        if let Some(cargo) = cargo {
            self.deliver(command, cargo, Outcome::Lost);
        }
    }

    /// The server says why it cannot be reached. If that is for good, those who have just asked are told.
    pub(super) fn note_connect_error(&mut self, error: &ServerError) {
        if error.standing() == Standing::Refused {
            let failure = Failure::Server(error.clone());
            self.for_each_row(|row, context| row.fail_unanswered(&failure, context));
            let (questions, mut context) = self.questions_and_context();
            questions.fail_all(&failure, &mut context);
        } else {
            self.for_each_row(|row, _| row.note_trouble(error));
            self.questions.note_trouble(error);
        }
        let (advisory, mut context) = self.advisory_and_context();
        advisory.cannot_connect(error, &mut context);
    }
}

fn verdicts(rows: Vec<Row>) -> BTreeMap<String, (RenewalVerdict, Option<Duration>)> {
    let verdict = |(name, verdict, lease)| (name, (verdict, lease));
    rows.into_iter().filter_map(answer::renewal).map(verdict).collect()
}
