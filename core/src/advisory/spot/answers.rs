//! What answers, errors and the loss of the session mean to a place.

use alloc::vec::Vec;
use core::mem;

use super::{Errand, Side, Spot, Take, Verdict};
use crate::advisory::AdvisoryMode;
use crate::advisory::statement::Answer;
use crate::advisory::waiter::Waiter;
use crate::bugs::{Bug, made};
use crate::context::Context;
use crate::error::ServerError;
use crate::event::{Event, LossCause};
use crate::identity::Token;
use crate::time::Instant;

impl Spot {
    pub(in crate::advisory) fn answered(
        &mut self,
        answer: Answer,
        context: &mut Context<'_>,
    ) -> Verdict {
        let mut verdict = Verdict::Sound;
        match (self.errand.take(), answer) {
            (
                Some(Errand::Try(mode) | Errand::Ring(mode) | Errand::Take(mode)),
                Answer::Yes(token),
            ) => self.granted(mode, token, context),
            (Some(Errand::Ring(_)), Answer::No) => self.refused_unheard(context),
            (
                Some(Errand::Try(_) | Errand::Ring(_) | Errand::Take(_)),
                Answer::No | Answer::Rings,
            ) => self.refused(answer == Answer::Rings, context),
            (Some(Errand::Unlock(mode)), Answer::Yes(_)) => self.freed(mode, context),
            (Some(Errand::Unlock(mode)), Answer::No | Answer::Rings)
                if self.side(mode) == Side::Doubtful || made(Bug::M48) =>
            {
                self.freed(mode, context);
            }
            (Some(Errand::Quiet), Answer::Yes(_)) => self.quieted(context),
            (Some(Errand::Quiet), Answer::No | Answer::Rings) if self.bell == Side::Doubtful => {
                self.quieted(context);
            }
            (Some(Errand::Unlock(_) | Errand::Quiet), Answer::No | Answer::Rings) => {
                verdict = Verdict::Robbed;
            }
            (None, _) => {}
        }
        self.proceed(context);
        verdict
    }

    fn granted(&mut self, mode: AdvisoryMode, token: Option<Token>, context: &mut Context<'_>) {
        *self.side_mut(mode) = Side::Held;
        self.bell = Side::Free;
        self.failures = 0;
        self.answer_came();
        if self.head().is_some_and(|head| head.mode == mode) {
            self.admit(token, context);
        }
    }

    fn refused(&mut self, rings: bool, context: &mut Context<'_>) {
        self.failures = 0;
        self.bell = if rings { Side::Held } else { Side::Free };
        self.next_try = if self.in_line || self.told && !made(Bug::Deaf) {
            context.now
        } else if rings && made(Bug::M41) {
            Instant::END
        } else {
            context.after_spread(context.config.look_every())
        };
        let tried = |waiter: &Waiter| waiter.asked && !waiter.waits_its_turn();
        self.dismiss(|waiter| tried(waiter).then(|| waiter.busy()), context);
        if !self.queue.iter().all(Waiter::waits_its_turn) {
            self.next_try = context.now;
        }
        self.answer_came();
    }

    /// The bell could not ring, since somebody was at it just then. That is soon over, unless its place is somebody's lock.
    fn refused_unheard(&mut self, context: &mut Context<'_>) {
        let failures = self.failures.saturating_add(1);
        self.refused(false, context);
        self.failures = failures;
        self.next_try = self.next_try.min(context.after_pause(failures));
    }

    fn freed(&mut self, mode: AdvisoryMode, context: &mut Context<'_>) {
        *self.side_mut(mode) = Side::Free;
        for take in self.leaving.extract_if(.., |take| take.mode == mode) {
            context.tell(Event::Released { lock: take.lock, confirmed: true });
        }
        self.clear_up(context);
    }

    /// Whoever waits has come since nobody did.
    fn quieted(&mut self, context: &mut Context<'_>) {
        self.bell = Side::Free;
        self.next_try = context.now;
        self.clear_up(context);
    }

    /// Whoever was asked for hears of an error once it is settled what it left behind.
    fn clear_up(&mut self, context: &mut Context<'_>) {
        let is_doubtful = [self.exclusive, self.shared, self.bell].contains(&Side::Doubtful);
        if let Some(error) = self.trouble.take_if(|_| !is_doubtful) {
            self.settled(&error, context);
        }
    }

    /// The statement failed, and may have been applied or not.
    pub(in crate::advisory) fn failed(&mut self, error: &ServerError, context: &mut Context<'_>) {
        match self.errand.take() {
            Some(Errand::Try(_) | Errand::Ring(_) | Errand::Take(_)) if made(Bug::M47) => {
                self.settled(error, context);
            }
            Some(errand @ (Errand::Try(mode) | Errand::Ring(mode) | Errand::Take(mode))) => {
                *self.side_mut(mode) = Side::Doubtful;
                if matches!(errand, Errand::Ring(_)) {
                    self.bell = Side::Doubtful;
                }
                self.next_try = context.now;
                self.trouble = Some(error.clone());
                let asked = self.queue.iter_mut().filter(|waiter| waiter.asked);
                asked.for_each(|waiter| waiter.note_trouble(error));
            }
            Some(Errand::Unlock(mode)) => {
                *self.side_mut(mode) = Side::Doubtful;
                self.pause(context);
            }
            Some(Errand::Quiet) => {
                self.bell = Side::Doubtful;
                self.pause(context);
            }
            None => {}
        }
    }

    /// It is settled that a try that failed has left nothing behind.
    fn settled(&mut self, error: &ServerError, context: &mut Context<'_>) {
        let failure = error.advisory_refusal();
        self.pause(context);
        let end = |waiter: &Waiter| match &failure {
            _ if made(Bug::M54) && !waiter.waits_its_turn() => Some(waiter.busy()),
            failure => failure.as_ref().map(|failure| waiter.failed(failure)),
        };
        self.dismiss(|waiter| if waiter.asked { end(waiter) } else { None }, context);
        self.answer_came();
    }

    /// After one more failure in a row.
    fn pause(&mut self, context: &mut Context<'_>) {
        self.failures = self.failures.saturating_add(1);
        self.next_try = context.after_pause(self.failures);
    }

    fn answer_came(&mut self) {
        for waiter in &mut self.queue {
            waiter.answered |= mem::take(&mut waiter.asked);
        }
    }

    /// All that the session held is gone.
    pub(in crate::advisory) fn lose(&mut self, cause: LossCause, context: &mut Context<'_>) {
        let lost = if made(Bug::M53) { Vec::new() } else { mem::take(&mut self.takes) };
        for Take { lock, .. } in lost {
            context.tell(Event::Lost { lock, cause });
        }
        for Take { lock, .. } in mem::take(&mut self.leaving) {
            context.tell(match cause {
                LossCause::Robbed => Event::Lost { lock, cause },
                LossCause::Expired | LossCause::TakenOver | LossCause::SessionEnded => {
                    Event::Released { lock, confirmed: false }
                }
            });
        }
        if self.errand.is_some() || self.trouble.is_some() {
            self.failures = self.failures.saturating_add(1);
        }
        self.next_try = context.after_pause(self.failures);
        self.queue.iter_mut().for_each(|waiter| waiter.asked = false);
        (self.exclusive, self.shared, self.bell) = (Side::Free, Side::Free, Side::Free);
        (self.errand, self.trouble) = (None, None);
        self.proceed(context);
    }
}
