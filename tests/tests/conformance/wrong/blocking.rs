//! A blocking driver around a right one, with one bug.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use pglock_core::{Command, Outcome};
use pglock_driver::blocking::{Connect, Session};
use pglock_driver::{ConnectError, SessionKind};

use super::bug::Bug;
use super::carry::{self, Memory};
use super::news::News;
use super::opening;
use super::swap::Swap;

pub(super) struct Wrong<C> {
    right: Arc<C>,
    bug: Bug,
    swap: Arc<Swap>,
}

impl<C> Wrong<C> {
    pub(super) fn new(right: C, bug: Bug, swap: &Arc<Swap>) -> Self {
        Self { right: Arc::new(right), bug, swap: Arc::clone(swap) }
    }
}

impl<C: Connect> Connect for Wrong<C> {
    type Session = WrongSession<C>;

    fn connect(&self, kind: SessionKind) -> Result<WrongSession<C>, ConnectError> {
        opening::known(self.bug, kind)?;
        let connected = self.right.connect(kind);
        let session = connected.map_err(|error| opening::told(self.bug, error))?;
        Ok(WrongSession {
            right: Some(session),
            connect: Arc::clone(&self.right),
            kind,
            bug: self.bug,
            memory: Memory::default(),
            news: News::default(),
            swap: Arc::clone(&self.swap),
            failed: false,
            unheard: VecDeque::new(),
            answered: false,
        })
    }
}

pub(super) struct WrongSession<C: Connect> {
    right: Option<C::Session>,
    connect: Arc<C>,
    kind: SessionKind,
    bug: Bug,
    memory: Memory,
    news: News,
    /// Of all sessions.
    swap: Arc<Swap>,
    failed: bool,
    unheard: VecDeque<String>,
    answered: bool,
}

impl<C: Connect> WrongSession<C> {
    fn right(&mut self) -> &mut C::Session {
        self.right.as_mut().unwrap()
    }

    fn answer(&mut self, command: &Command) -> Outcome {
        match self.bug {
            Bug::ConnectionForEachCommand => match self.connect.connect(self.kind) {
                Ok(mut other) => other.execute(command),
                Err(_) => Outcome::Lost,
            },
            Bug::SessionReset => {
                let outcome = self.right().execute(command);
                for text in ["RESET ALL", "SELECT pg_advisory_unlock_all() IS NOT NULL"] {
                    self.right().execute(&Command::trial(0, text, Vec::new()));
                }
                outcome
            }
            Bug::AnswersOfOtherSessions => {
                self.swap.begin();
                let own = self.right().execute(command);
                self.swap.clone().end(own)
            }
            _ => self.right().execute(command),
        }
    }

    fn heed(&mut self, outcome: &Outcome) {
        self.answered = true;
        self.failed |= matches!(outcome, Outcome::Failed(_));
        if self.bug == Bug::ConnectsAgain
            && carry::ends(outcome)
            && let Ok(other) = self.connect.connect(self.kind)
        {
            self.right = Some(other);
        }
    }

    fn drain(&mut self) {
        while self.right().wait_for_notification(Duration::ZERO).is_some() {}
    }
}

impl<C: Connect> Session for WrongSession<C> {
    fn execute(&mut self, command: &Command) -> Outcome {
        let sent = carry::there(self.bug, command, &self.memory);
        if self.bug == Bug::NotificationForgotten {
            self.drain();
        }
        let outcome = self.answer(&sent);
        if self.bug == Bug::NotificationLostBesideAnAnswer {
            self.drain();
        }
        self.heed(&outcome);
        carry::back(self.bug, outcome, command, &self.memory)
    }

    fn is_closed(&self) -> bool {
        match self.bug {
            Bug::EndUntold => false,
            Bug::EndToldTooSoon if self.failed => true,
            _ => self.right.as_ref().is_none_or(Session::is_closed),
        }
    }

    fn wait_for_notification(&mut self, patience: Duration) -> Option<String> {
        if let Some(payload) = self.news.kept() {
            return Some(payload);
        }
        let has_time = !patience.is_zero() && self.kind == SessionKind::Advisory;
        while self.bug == Bug::WaitsForEver && has_time {
            self.right().wait_for_notification(patience);
        }
        let waits_for_nothing = self.bug == Bug::WaitsForNothing;
        let patience = if waits_for_nothing { Duration::ZERO } else { patience };
        let payload = self.right().wait_for_notification(patience);
        if self.bug == Bug::NotifiedByCommandsOnly {
            self.unheard.extend(payload);
            let may_hear = std::mem::take(&mut self.answered);
            return if may_hear { self.unheard.pop_front() } else { None };
        }
        self.news.told(self.bug, payload?)
    }
}

impl<C: Connect> Drop for WrongSession<C> {
    fn drop(&mut self) {
        if self.bug == Bug::SessionKept {
            std::mem::forget(self.right.take());
        }
    }
}
