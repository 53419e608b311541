//! One place in the lock space as this client sees it: who of this client has it, who waits for it in the order of
//! their coming, and what the session holds there. The session has a place once in each mode at most, however
//! often it was taken here.
//!
//! | side     | what happens                       | becomes                                       |
//! |----------|------------------------------------|-----------------------------------------------|
//! | free     | a try is granted                   | held, by all who may share it; freed if none is left |
//! | free     | a try fails with an error          | doubtful: it may be held all the same         |
//! | held     | nobody has it any more, and it is unlocked | free                                  |
//! | held     | unlocking fails with an error      | doubtful                                      |
//! | doubtful | it is unlocked, or was not held    | free                                          |
//! | any      | the session ends                   | free                                          |
//!
//! The bell of the place, by which others know that somebody waits here for a notification, goes the same way: it rings
//! with a try that is refused, and is quieted by a grant, or when nobody waits any more.

mod answers;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem;

use super::request::{AdvisoryMode, AdvisoryRequest};
use super::statement::Call;
use super::waiter::{Taker, Waiter};
use super::{AdvisoryKey, AdvisoryPlace};
use crate::bugs::{Bug, made};
use crate::context::Context;
use crate::error::{Failure, ServerError};
use crate::event::Event;
use crate::identity::Token;
use crate::output::LockId;
use crate::request::AskError;
use crate::time::Instant;

const MODES: [AdvisoryMode; 2] = [AdvisoryMode::Exclusive, AdvisoryMode::Shared];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Spot {
    key: AdvisoryKey,
    /// Whether the session is there for this place alone, so that a statement may wait.
    in_line: bool,
    takes: Vec<Take>,
    queue: VecDeque<Waiter>,
    /// Locks that were given back and not freed by the server yet.
    leaving: Vec<Take>,
    exclusive: Side,
    shared: Side,
    bell: Side,
    errand: Option<Errand>,
    /// The lock was unlocked since the statement on its way was sent.
    told: bool,
    /// An error that those who were asked for hear of once it is settled what it left behind.
    trouble: Option<ServerError>,
    next_try: Instant,
    failures: u32,
}

/// A lock that somebody has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Take {
    lock: LockId,
    taker: Taker,
    mode: AdvisoryMode,
    token: Option<Token>,
}

/// What the session holds in one mode, or of the bell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Side {
    Free,
    Held,
    Doubtful,
}

/// What the server is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Errand {
    Try(AdvisoryMode),
    Ring(AdvisoryMode),
    Take(AdvisoryMode),
    Unlock(AdvisoryMode),
    Quiet,
}

/// What an answer says of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Verdict {
    Sound,
    /// It has lost what it held.
    Robbed,
}

impl Spot {
    pub(super) const fn new(key: AdvisoryKey, in_line: bool) -> Self {
        Self {
            key,
            in_line,
            takes: Vec::new(),
            queue: VecDeque::new(),
            leaving: Vec::new(),
            exclusive: Side::Free,
            shared: Side::Free,
            bell: Side::Free,
            errand: None,
            told: false,
            trouble: None,
            next_try: Instant::from_nanos(0),
            failures: 0,
        }
    }

    pub(super) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        self.queue.iter_mut().for_each(|waiter| waiter.each_moment(change));
        change(&mut self.next_try);
    }

    // What the caller asks.

    /// Why the request cannot even be made here.
    pub(super) fn check(&self, request: &AdvisoryRequest) -> Result<(), AskError> {
        if self.key.clashes_with(&request.key) && !made(Bug::M51) {
            let (asked, other) = (request.key.clone(), self.key.clone());
            return Err(AskError::NameClash { asked, other });
        }
        if self.is_waiting_upgrade(request) {
            return Err(AskError::Upgrade(request.key.clone()));
        }
        Ok(())
    }

    /// Whoever shares a lock and waits to have it alone may wait for one who does the same.
    fn is_waiting_upgrade(&self, request: &AdvisoryRequest) -> bool {
        let Some(taker) = request.owner.map(Taker::Owner) else { return false };
        let mut waits = self.queue.iter().filter(|waiter| waiter.taker == taker);
        let shares = self.has(taker, AdvisoryMode::Shared)
            || waits.any(|waiter| waiter.mode == AdvisoryMode::Shared);
        request.mode == AdvisoryMode::Exclusive
            && request.wait.waits_its_turn()
            && shares
            && !self.has(taker, AdvisoryMode::Exclusive)
    }

    /// Whoever has the lock already does not wait behind those who wait for it.
    pub(super) fn acquire(&mut self, waiter: Waiter, key: AdvisoryKey, context: &mut Context<'_>) {
        if self.key.name().is_none() {
            self.key = key;
        }
        let lock = waiter.lock;
        if MODES.into_iter().any(|mode| self.has(waiter.taker, mode)) {
            self.queue.push_front(waiter);
        } else {
            self.queue.push_back(waiter);
        }
        self.proceed(context);
        if self.queue.iter().any(|waiter| waiter.lock == lock && !waiter.waits_its_turn()) {
            self.next_try = context.now;
        }
    }

    /// Answers whether the lock was held. The last of its mode frees the session's hold.
    pub(super) fn release(&mut self, lock: LockId, context: &mut Context<'_>) -> bool {
        let Some(place) = self.takes.iter().position(|take| take.lock == lock) else {
            return false;
        };
        let take = self.takes.remove(place);
        if self.is_in_use(take.mode) {
            context.tell(Event::Released { lock, confirmed: true });
        } else {
            self.leaving.push(take);
        }
        self.proceed(context);
        true
    }

    /// Answers whether the lock was held or waited for.
    pub(super) fn cancel(&mut self, lock: LockId, context: &mut Context<'_>) -> bool {
        let Some(place) = self.queue.iter().position(|waiter| waiter.lock == lock) else {
            return self.release(lock, context);
        };
        self.queue.remove(place);
        context.tell(Event::Cancelled { lock });
        self.proceed(context);
        true
    }

    /// Gives everything back and cancels whoever waits.
    pub(super) fn shut_down(&mut self, context: &mut Context<'_>) {
        for waiter in mem::take(&mut self.queue) {
            context.tell(Event::Cancelled { lock: waiter.lock });
        }
        while let Some(lock) = self.takes.last().map(|take| take.lock) {
            self.release(lock, context);
        }
    }

    // What the client looks at.

    pub(super) fn held(&self) -> impl Iterator<Item = LockId> {
        self.takes.iter().map(|take| take.lock)
    }

    pub(super) fn is_held(&self) -> bool {
        !self.takes.is_empty()
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_forgettable(&self) -> bool {
        self.takes.is_empty()
            && self.queue.is_empty()
            && self.leaving.is_empty()
            && self.errand.is_none()
            && self.is_free()
            && self.bell == Side::Free
    }

    /// Whether somebody waits here for what others do.
    pub(super) fn is_watched(&self) -> bool {
        let refused = |waiter: &Waiter| waiter.answered && waiter.waits_its_turn();
        let may_ring = self.bell != Side::Free || matches!(self.errand, Some(Errand::Ring(_)));
        self.wants_bell() && (may_ring || self.queue.iter().any(refused))
    }

    /// When the server is to be asked next.
    pub(super) fn work_due(&self) -> Option<Instant> {
        self.next_errand().map(|(_, due)| due)
    }

    /// When somebody stops waiting.
    pub(super) fn timer(&self) -> Option<Instant> {
        self.queue.iter().filter_map(Waiter::gives_up_at).min()
    }

    fn side(&self, mode: AdvisoryMode) -> Side {
        match mode {
            AdvisoryMode::Exclusive => self.exclusive,
            AdvisoryMode::Shared => self.shared,
        }
    }

    const fn side_mut(&mut self, mode: AdvisoryMode) -> &mut Side {
        match mode {
            AdvisoryMode::Exclusive => &mut self.exclusive,
            AdvisoryMode::Shared => &mut self.shared,
        }
    }

    /// Whether the session holds nothing here.
    fn is_free(&self) -> bool {
        MODES.into_iter().all(|mode| self.side(mode) == Side::Free)
    }

    fn is_in_use(&self, mode: AdvisoryMode) -> bool {
        self.takes.iter().any(|take| take.mode == mode)
    }

    fn has(&self, taker: Taker, mode: AdvisoryMode) -> bool {
        self.takes.iter().any(|take| take.taker == taker && take.mode == mode)
    }

    /// Whether nobody else of this client has the lock in a way that keeps the waiter out.
    fn fits(&self, waiter: &Waiter) -> bool {
        let mut others = self.takes.iter().filter(|take| take.taker != waiter.taker);
        !others.any(|take| take.mode.conflicts(waiter.mode))
    }

    /// The one who waits longest, if its turn has come as far as this client is concerned.
    fn head(&self) -> Option<&Waiter> {
        self.queue.front().filter(|head| self.fits(head))
    }

    /// How many of those who wait longest may have the lock together by one statement.
    fn admissible(&self) -> usize {
        let Some(head) = self.head() else { return 0 };
        let joins = |waiter: &&Waiter| {
            waiter.mode == head.mode
                && (waiter.taker == head.taker || !waiter.mode.conflicts(head.mode))
        };
        self.queue.iter().take_while(joins).take_while(|waiter| self.fits(waiter)).count()
    }

    /// What the server is to do next, and when. What is not needed goes first.
    fn next_errand(&self) -> Option<(Errand, Instant)> {
        if self.errand.is_some() {
            return None;
        }
        let unlock = MODES.into_iter().find_map(|mode| match self.side(mode) {
            Side::Doubtful => Some((Errand::Unlock(mode), self.next_try)),
            Side::Held if !self.is_in_use(mode) => {
                Some((Errand::Unlock(mode), Instant::from_nanos(0)))
            }
            Side::Held | Side::Free => None,
        });
        unlock.or_else(|| self.quiet()).or_else(|| Some((self.attempt()?, self.next_try)))
    }

    fn quiet(&self) -> Option<(Errand, Instant)> {
        match self.bell {
            Side::Doubtful => Some((Errand::Quiet, self.next_try)),
            Side::Held if !self.wants_bell() && !made(Bug::BellRingsOn) => {
                Some((Errand::Quiet, Instant::from_nanos(0)))
            }
            Side::Held | Side::Free => None,
        }
    }

    /// Whoever only tries is not kept waiting by those who could have the lock together with it.
    fn attempt(&self) -> Option<Errand> {
        let mode = self.head()?.mode;
        let patient = self.queue.iter().take(self.admissible()).all(Waiter::waits_its_turn);
        Some(if self.in_line && patient { Errand::Take(mode) } else { Errand::Try(mode) })
    }

    /// Whether somebody waits here whom a notification would help.
    fn wants_bell(&self) -> bool {
        let patient = self.queue.iter().any(Waiter::waits_its_turn);
        patient && self.head().is_some() && !self.in_line
    }

    // What happens.

    /// Somebody has unlocked the place, or may have without being heard.
    pub(super) fn hint(&mut self, now: Instant) {
        self.told = true;
        self.next_try = self.next_try.min(now);
    }

    pub(super) fn on_time(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let is_over = |waiter: &Waiter| waiter.gives_up_at().is_some_and(|at| at <= now);
        self.dismiss(|waiter| is_over(waiter).then(|| waiter.too_late()), context);
        self.proceed(context);
    }

    /// What the server is asked now.
    pub(super) fn call(&mut self, place: AdvisoryPlace, context: &Context<'_>) -> Option<Call> {
        let (errand, _) = self.next_errand().filter(|(_, due)| *due <= context.now)?;
        let errand = self.with_bell(errand, context);
        self.errand = Some(errand);
        Some(match errand {
            Errand::Unlock(_) if made(Bug::M49) => Call::Unlock(place, AdvisoryMode::Shared),
            Errand::Unlock(mode) => Call::Unlock(place, mode),
            Errand::Quiet => Call::Quiet(place),
            Errand::Try(mode) => {
                self.mark_asked();
                Call::Try(place, mode)
            }
            Errand::Ring(mode) => {
                self.mark_asked();
                match self.bell {
                    Side::Held => Call::RingOn(place, mode),
                    Side::Free | Side::Doubtful => Call::Ring(place, mode),
                }
            }
            Errand::Take(mode) => {
                self.mark_asked();
                Call::Take(place, mode, context.config.longest_slice())
            }
        })
    }

    /// Whoever waits leaves the bell ringing; there is no use in it while no notification is heard.
    fn with_bell(&self, errand: Errand, context: &Context<'_>) -> Errand {
        let rings = self.bell == Side::Held || context.hears && self.wants_bell();
        match errand {
            Errand::Try(mode) if rings => Errand::Ring(mode),
            Errand::Try(_)
            | Errand::Ring(_)
            | Errand::Take(_)
            | Errand::Unlock(_)
            | Errand::Quiet => errand,
        }
    }

    fn mark_asked(&mut self) {
        let together = self.admissible();
        self.queue.iter_mut().take(together).for_each(|waiter| waiter.asked = true);
        self.told = false;
    }

    /// The server cannot be reached: whoever has never had an answer is told at once. Behind a lock of this very
    /// client nobody has needed one.
    pub(super) fn fail_unanswered(&mut self, failure: &Failure, context: &mut Context<'_>) {
        if self.is_free() {
            self.fail_those(|waiter| !waiter.answered, failure, context);
        }
    }

    /// Nobody who waits can have the lock.
    pub(super) fn fail_waiters(&mut self, failure: &Failure, context: &mut Context<'_>) {
        self.fail_those(|_| true, failure, context);
    }

    fn fail_those(
        &mut self,
        chosen: impl Fn(&Waiter) -> bool,
        failure: &Failure,
        context: &mut Context<'_>,
    ) {
        self.dismiss(|waiter| chosen(waiter).then(|| waiter.failed(failure)), context);
        self.proceed(context);
    }

    /// Those wait no more for whom there is an event that ends it.
    fn dismiss(
        &mut self,
        mut end: impl FnMut(&Waiter) -> Option<Event>,
        context: &mut Context<'_>,
    ) {
        self.queue.retain(|waiter| match end(waiter) {
            Some(event) => {
                context.tell(event);
                false
            }
            None => true,
        });
    }

    pub(super) fn note_trouble(&mut self, error: &ServerError) {
        self.queue.iter_mut().for_each(|waiter| waiter.note_trouble(error));
    }

    /// Admits whoever may share what the session holds, and tells tries that they would have to wait.
    fn proceed(&mut self, context: &mut Context<'_>) {
        while let Some(token) = self.shareable() {
            self.admit(token, context);
        }
        let mut room = 0..self.admissible();
        let kept_out = |waiter: &Waiter| {
            let comes_in = room.next().is_some();
            (!comes_in && !waiter.waits_its_turn()).then(|| waiter.busy())
        };
        self.dismiss(kept_out, context);
    }

    /// The token of what the session holds, if the one who waits longest may share it.
    fn shareable(&self) -> Option<Option<Token>> {
        let mode = self.head()?.mode;
        let take = self.takes.iter().find(|take| take.mode == mode)?;
        (self.side(mode) == Side::Held).then_some(take.token)
    }

    fn admit(&mut self, token: Option<Token>, context: &mut Context<'_>) {
        let Some(Waiter { lock, taker, mode, .. }) = self.queue.pop_front() else { return };
        self.takes.push(Take { lock, taker, mode, token });
        context.tell(Event::AdvisoryAcquired { lock, token });
    }
}
