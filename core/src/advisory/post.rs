//! The session that carries all advisory locks of a client: whether it is fit to, and how long it can be trusted.
//! Knows nothing of the locks.
//!
//! | stage    | what happens                            | becomes  |
//! |----------|-----------------------------------------|----------|
//! | absent   | a session is there, and is marked       | entering |
//! | entering | it is one of its own, on a primary whose locks are real | ready |
//! | entering | it is not, or gives no such answer      | absent   |
//! | ready    | it is gone, or silent for too long      | absent   |

use core::time::Duration;

use super::statement::{Advisory, Call, Entered};
use crate::bugs::{Bug, made};
use crate::config::Config;
use crate::context::Context;
use crate::error::Unfit;
use crate::output::SessionId;
use crate::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Post {
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Absent,
    Entering { session: SessionId, mark: i64, sent: Instant },
    Ready(Ready),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Ready {
    session: SessionId,
    mark: i64,
    /// When the last statement that was answered had been sent.
    proof: Instant,
    /// The same of the last one that was sent.
    sent: Instant,
    /// When to look next whether the session still answers.
    look: Instant,
    at_risk: bool,
}

impl Ready {
    /// So long after the last sign of life, or at the clock's end: nothing would be lost any more after it.
    fn after(&self, silence: Duration) -> Instant {
        self.proof.saturating_add(silence).min(Instant::END)
    }
}

impl Post {
    pub(super) const fn new() -> Self {
        Self { stage: Stage::Absent }
    }

    pub(super) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        match &mut self.stage {
            Stage::Absent => {}
            Stage::Entering { sent, .. } => change(sent),
            Stage::Ready(Ready { proof, sent, look, .. }) => {
                [proof, sent, look].into_iter().for_each(change)
            }
        }
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        match &self.stage {
            Stage::Absent => None,
            Stage::Entering { session, .. } | Stage::Ready(Ready { session, .. }) => Some(*session),
        }
    }

    /// When the last statement that was answered had been sent, and until when that lets the session be trusted
    /// to hold what it held.
    pub(super) fn proof(&self, config: &Config) -> Option<(Instant, Instant)> {
        self.ready().map(|ready| (ready.proof, ready.after(config.silence)))
    }

    pub(super) fn valid_until(&self, config: &Config) -> Option<Instant> {
        self.proof(config).map(|(_, valid_until)| valid_until)
    }

    /// When to look whether the session still answers.
    pub(super) fn look_due(&self) -> Option<Instant> {
        self.ready().map(|ready| ready.look)
    }

    /// When what it holds falls at risk, and when it is lost.
    pub(super) fn timer(&self, config: &Config) -> Option<Instant> {
        let ready = self.ready()?;
        let patience = if ready.at_risk { config.silence } else { config.silence / 2 };
        Some(ready.after(patience))
    }

    fn ready(&self) -> Option<&Ready> {
        match &self.stage {
            Stage::Absent | Stage::Entering { .. } => None,
            Stage::Ready(ready) => Some(ready),
        }
    }

    /// Marks a session that was just opened.
    pub(super) fn enter(&mut self, session: SessionId, context: &mut Context<'_>) -> Advisory {
        let mark = context.numbers.draw().as_i64();
        self.stage = Stage::Entering { session, mark, sent: context.now };
        Advisory { mark, tokens: false, call: Call::Enter }
    }

    /// What the session is like. It is not used if it is unfit.
    pub(super) fn entered(&mut self, answer: &Entered) -> Result<(), Unfit> {
        let Stage::Entering { session, mark, sent } = self.stage else { return Ok(()) };
        match answer {
            Entered { unmarked: false, .. } => Err(Unfit::SharedSession),
            Entered { primary: false, .. } if !made(Bug::M55) => Err(Unfit::Standby),
            Entered { real: false, .. } => Err(Unfit::NoLocks),
            Entered { unmarked: true, real: true, .. } => {
                // Nothing is held yet; whatever is sent before something is puts the look off.
                let (proof, look) = (sent, sent);
                self.stage =
                    Stage::Ready(Ready { session, mark, proof, sent, look, at_risk: false });
                Ok(())
            }
        }
    }

    /// A call is sent on the session.
    pub(super) fn send(&mut self, call: Call, context: &Context<'_>) -> Option<Advisory> {
        let Stage::Ready(ready) = &mut self.stage else { return None };
        ready.sent = context.now;
        let mark = ready.mark;
        if call == Call::Look {
            self.put_off_look(context);
        }
        Some(Advisory { mark, tokens: context.config.advisory_tokens, call })
    }

    /// There is no need to look now: a look is sent, or something else while nothing is held.
    pub(super) fn put_off_look(&mut self, context: &Context<'_>) {
        if let Stage::Ready(ready) = &mut self.stage {
            ready.look = context.now.saturating_add(context.config.silence / 3);
        }
    }

    /// The session answers.
    pub(super) const fn heard(&mut self) {
        if let Stage::Ready(ready) = &mut self.stage {
            ready.proof = ready.sent;
            ready.at_risk = false;
        }
    }

    pub(super) const fn set_at_risk(&mut self) {
        if let Stage::Ready(ready) = &mut self.stage {
            ready.at_risk = true;
        }
    }

    pub(super) fn lost(&mut self) {
        self.stage = Stage::Absent;
    }
}
