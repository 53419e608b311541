//! What answers, errors and the loss of the session mean to a place.

use alloc::vec::Vec;
use core::mem;

use super::{Errand, MODES, Side, Spot, Take, Verdict};
use crate::advisory::AdvisoryMode;
use crate::advisory::waiter::Waiter;
use crate::bugs::{Bug, made};
use crate::context::Context;
use crate::error::ServerError;
use crate::event::{Event, LossCause};

impl Spot {
    pub(in crate::advisory) fn answered(
        &mut self,
        yes: bool,
        context: &mut Context<'_>,
    ) -> Verdict {
        let mut verdict = Verdict::Sound;
        match (self.errand.take(), yes) {
            (Some(Errand::Try(mode) | Errand::Take(mode)), true) => self.granted(mode, context),
            (Some(Errand::Try(_) | Errand::Take(_)), false) => self.refused(context),
            (Some(Errand::Unlock(mode)), true) => self.freed(mode, context),
            (Some(Errand::Unlock(mode)), false)
                if self.side(mode) == Side::Doubtful || made(Bug::M48) =>
            {
                self.freed(mode, context);
            }
            (Some(Errand::Unlock(_)), false) => verdict = Verdict::Robbed,
            (None, _) => {}
        }
        self.proceed(context);
        verdict
    }

    fn granted(&mut self, mode: AdvisoryMode, context: &mut Context<'_>) {
        *self.side_mut(mode) = Side::Held;
        self.failures = 0;
        self.answer_came();
        if self.head().is_some_and(|head| head.mode == mode) {
            self.admit(context);
        }
    }

    fn refused(&mut self, context: &mut Context<'_>) {
        self.failures = 0;
        self.next_try = if self.in_line {
            context.now
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

    fn freed(&mut self, mode: AdvisoryMode, context: &mut Context<'_>) {
        *self.side_mut(mode) = Side::Free;
        for take in self.leaving.extract_if(.., |take| take.mode == mode) {
            context.tell(Event::Released { lock: take.lock, confirmed: true });
        }
        if MODES.into_iter().all(|mode| self.side(mode) != Side::Doubtful)
            && let Some(error) = self.trouble.take()
        {
            self.settled(&error, context);
        }
    }

    /// The statement failed, and may have been applied or not.
    pub(in crate::advisory) fn failed(&mut self, error: &ServerError, context: &mut Context<'_>) {
        match self.errand.take() {
            Some(Errand::Try(_) | Errand::Take(_)) if made(Bug::M47) => {
                self.settled(error, context)
            }
            Some(Errand::Try(mode) | Errand::Take(mode)) => {
                *self.side_mut(mode) = Side::Doubtful;
                self.next_try = context.now;
                self.trouble = Some(error.clone());
                let asked = self.queue.iter_mut().filter(|waiter| waiter.asked);
                asked.for_each(|waiter| waiter.note_trouble(error));
            }
            Some(Errand::Unlock(mode)) => {
                *self.side_mut(mode) = Side::Doubtful;
                self.failures = self.failures.saturating_add(1);
                self.next_try = context.after_pause(self.failures);
            }
            None => {}
        }
    }

    /// It is settled that a try that failed has left nothing behind.
    fn settled(&mut self, error: &ServerError, context: &mut Context<'_>) {
        let failure = error.advisory_refusal();
        self.failures = self.failures.saturating_add(1);
        self.next_try = context.after_pause(self.failures);
        let end = |waiter: &Waiter| match &failure {
            _ if made(Bug::M54) && !waiter.waits_its_turn() => Some(waiter.busy()),
            failure => failure.as_ref().map(|failure| waiter.failed(failure)),
        };
        self.dismiss(|waiter| if waiter.asked { end(waiter) } else { None }, context);
        self.answer_came();
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
        (self.exclusive, self.shared) = (Side::Free, Side::Free);
        (self.errand, self.trouble) = (None, None);
        self.proceed(context);
    }
}
