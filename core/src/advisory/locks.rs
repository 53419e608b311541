//! All advisory locks on one session: brings what happens to the places it is about, and says what the session is
//! to do. Decides only who goes first: the look that keeps all locks, then the places.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::AdvisoryPlace;
use super::post::Post;
use super::request::AdvisoryRequest;
use super::spot::{Spot, Verdict};
use super::statement::{Advisory, Answer, Call, answered, entered};
use super::waiter::Waiter;
use crate::bugs::{Bug, made};
use crate::config::Config;
use crate::context::Context;
use crate::error::{Failure, ServerError, Standing};
use crate::event::{Event, LossCause};
use crate::output::{LockId, Outcome, SessionId};
use crate::request::AskError;
use crate::schedule::Schedule;
use crate::time::Instant;
use crate::value::Row;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AdvisoryLocks {
    /// Whether the session is there for one place alone, where it waits in line.
    in_line: bool,
    post: Post,
    spots: BTreeMap<AdvisoryPlace, Spot>,
    locks: BTreeMap<LockId, AdvisoryPlace>,
    /// Places where somebody has a lock.
    held: BTreeSet<AdvisoryPlace>,
    /// Places where somebody waits for what others do.
    watched: BTreeSet<AdvisoryPlace>,
    work: Schedule<AdvisoryPlace>,
    timers: Schedule<AdvisoryPlace>,
}

/// What is to become of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Keep,
    GiveUp(LossCause),
}

impl AdvisoryLocks {
    pub(crate) const fn new(in_line: bool) -> Self {
        Self {
            in_line,
            post: Post::new(),
            spots: BTreeMap::new(),
            locks: BTreeMap::new(),
            held: BTreeSet::new(),
            watched: BTreeSet::new(),
            work: Schedule::new(),
            timers: Schedule::new(),
        }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        self.post.each_moment(change);
        self.spots.values_mut().for_each(|spot| spot.each_moment(change));
        let places: Vec<AdvisoryPlace> = self.spots.keys().copied().collect();
        (self.work, self.timers) = (Schedule::new(), Schedule::new());
        places.into_iter().for_each(|place| self.reschedule(place));
    }

    // What the caller asks.

    pub(crate) fn acquire(
        &mut self,
        lock: LockId,
        request: AdvisoryRequest,
        context: &mut Context<'_>,
    ) -> Result<(), AskError> {
        let place = request.key.place();
        match self.spots.get(&place) {
            Some(spot) => spot.check(&request)?,
            None => drop(self.spots.insert(place, Spot::new(request.key.clone(), self.in_line))),
        }
        self.locks.insert(lock, place);
        let waiter = Waiter::new(lock, &request, context);
        self.with_spot(place, |spot| spot.acquire(waiter, request.key, context));
        Ok(())
    }

    /// Answers whether the lock was held; `None` if it is not of this family.
    pub(crate) fn release(&mut self, lock: LockId, context: &mut Context<'_>) -> Option<bool> {
        let place = *self.locks.get(&lock)?;
        self.with_spot(place, |spot| spot.release(lock, context))
    }

    /// Answers whether the lock was held or waited for; `None` if it is not of this family.
    pub(crate) fn cancel(&mut self, lock: LockId, context: &mut Context<'_>) -> Option<bool> {
        let place = *self.locks.get(&lock)?;
        self.with_spot(place, |spot| spot.cancel(lock, context))
    }

    pub(crate) fn shut_down(&mut self, context: &mut Context<'_>) {
        self.for_each_spot(|spot| spot.shut_down(context));
    }

    /// The last event about a lock has been told.
    pub(crate) fn forget(&mut self, lock: LockId) {
        self.locks.remove(&lock);
    }

    // What the client looks at.

    pub(crate) fn held(&self) -> impl Iterator<Item = (AdvisoryPlace, LockId)> {
        let spots = self.held.iter().filter_map(|place| Some((*place, self.spots.get(place)?)));
        spots.flat_map(|(place, spot)| spot.held().map(move |lock| (place, lock)))
    }

    /// Until when a lock is held; `None` if it is not.
    pub(crate) fn valid_until(&self, lock: LockId, config: &Config) -> Option<Instant> {
        let spot = self.spots.get(self.locks.get(&lock)?)?;
        spot.held().find(|held| *held == lock)?;
        self.post.valid_until(config)
    }

    /// The session that carries them, if there is one.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.post.session()
    }

    /// Whether the place is held or awaited here.
    pub(crate) fn serves(&self, place: AdvisoryPlace) -> bool {
        self.spots.contains_key(&place)
    }

    pub(crate) fn places(&self) -> usize {
        self.spots.len()
    }

    /// Whether somebody waits for what others do, and is not in line for it.
    pub(crate) fn watches(&self) -> bool {
        !self.watched.is_empty()
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.spots.is_empty()
    }

    /// When a statement is due.
    pub(crate) fn work_due(&self) -> Option<Instant> {
        self.work.first().into_iter().chain(self.look_due()).min()
    }

    /// While nobody has a lock, nobody needs to know whether the session lasts.
    fn look_due(&self) -> Option<Instant> {
        self.post.look_due().filter(|_| !self.held.is_empty() && !made(Bug::M52))
    }

    /// When time alone changes something.
    pub(crate) fn timer(&self, config: &Config) -> Option<Instant> {
        self.timers.first().into_iter().chain(self.post_timer(config)).min()
    }

    fn post_timer(&self, config: &Config) -> Option<Instant> {
        self.post.timer(config).filter(|_| !self.held.is_empty() && !made(Bug::M52))
    }

    // What happens.

    /// What the session is to do now.
    pub(crate) fn statement(
        &mut self,
        session: SessionId,
        context: &mut Context<'_>,
    ) -> Option<Advisory> {
        if self.session() != Some(session) {
            return Some(self.post.enter(session, context));
        }
        if self.held.is_empty() {
            self.post.put_off_look(context);
        }
        if self.look_due().is_some_and(|due| due <= context.now) {
            return self.post.send(Call::Look, context);
        }
        while let Some(place) = self.work.pop_due(context.now) {
            let call = self.with_spot(place, |spot| spot.call(place, context)).flatten();
            if let Some(call) = call {
                return self.post.send(call, context);
            }
        }
        None
    }

    /// The session answers, or does not; the answer is about this call.
    pub(crate) fn handle_outcome(
        &mut self,
        call: Call,
        outcome: Outcome,
        context: &mut Context<'_>,
    ) -> Fate {
        match outcome {
            Outcome::Rows(rows) => match call {
                Call::Enter => self.enter(&rows, context),
                Call::Look
                | Call::Try(..)
                | Call::Ring(..)
                | Call::RingOn(..)
                | Call::Take(..)
                | Call::Unlock(..)
                | Call::Quiet(_) => match answered(call, &rows) {
                    Some(answer) => self.hear(call, answer, context),
                    None => Fate::GiveUp(LossCause::Robbed),
                },
            },
            Outcome::Failed(error) => self.fail(call, &error, context),
            Outcome::Lost => Fate::GiveUp(LossCause::SessionEnded),
        }
    }

    fn enter(&mut self, rows: &[Row], context: &mut Context<'_>) -> Fate {
        let unfit = match entered(rows) {
            Some(answer) => self.post.entered(&answer).map_err(Failure::Unfit),
            None => Err(Failure::Undecodable),
        };
        match unfit {
            Ok(()) => Fate::Keep,
            Err(failure) => {
                self.for_each_spot(|spot| spot.fail_waiters(&failure, context));
                Fate::GiveUp(LossCause::SessionEnded)
            }
        }
    }

    fn hear(&mut self, call: Call, answer: Answer, context: &mut Context<'_>) -> Fate {
        self.post.heard();
        let late = self.post.valid_until(context.config).is_some_and(|until| until <= context.now);
        if late && call.takes().is_some() {
            return Fate::GiveUp(LossCause::SessionEnded);
        }
        if call == Call::Look {
            self.tell_renewed(context);
        }
        let verdict = call
            .place()
            .and_then(|place| self.with_spot(place, |spot| spot.answered(answer, context)));
        match verdict {
            Some(Verdict::Robbed) => Fate::GiveUp(LossCause::Robbed),
            Some(Verdict::Sound) | None => Fate::Keep,
        }
    }

    fn fail(&mut self, call: Call, error: &ServerError, context: &mut Context<'_>) -> Fate {
        match call {
            Call::Enter => {
                self.cannot_connect(error, context);
                Fate::GiveUp(LossCause::SessionEnded)
            }
            Call::Look => Fate::Keep,
            Call::Take(..) if error.standing() == Standing::RowLocked => {
                self.hear(call, Answer::No, context)
            }
            // Only its end frees what it will not.
            Call::Unlock(..) | Call::Quiet(_) if error.standing() == Standing::Refused => {
                Fate::GiveUp(LossCause::SessionEnded)
            }
            Call::Try(place, _)
            | Call::Ring(place, _)
            | Call::RingOn(place, _)
            | Call::Take(place, ..)
            | Call::Unlock(place, _)
            | Call::Quiet(place) => {
                self.with_spot(place, |spot| spot.failed(error, context));
                Fate::Keep
            }
        }
    }

    /// Somebody has unlocked a place.
    pub(crate) fn hint(&mut self, place: AdvisoryPlace, now: Instant) {
        if self.watched.contains(&place) {
            self.with_spot(place, |spot| spot.hint(now));
        }
    }

    /// Somebody may have unlocked any place.
    pub(crate) fn hint_all(&mut self, now: Instant) {
        self.watched.clone().into_iter().for_each(|place| self.hint(place, now));
    }

    /// The server says why there is no session. If that is for good, those who have had no answer yet are told.
    pub(crate) fn cannot_connect(&mut self, error: &ServerError, context: &mut Context<'_>) {
        if let Some(failure) = error.session_refusal() {
            self.for_each_spot(|spot| spot.fail_unanswered(&failure, context));
        } else {
            self.for_each_spot(|spot| spot.note_trouble(error));
        }
    }

    /// Everybody who waits is told why nobody can be served any more.
    pub(crate) fn fail_waiters(&mut self, failure: &Failure, context: &mut Context<'_>) {
        self.for_each_spot(|spot| spot.fail_waiters(failure, context));
    }

    /// The session is gone, and with it all that it held.
    pub(crate) fn lost(&mut self, cause: LossCause, context: &mut Context<'_>) {
        self.post.lost();
        self.for_each_spot(|spot| spot.lose(cause, context));
    }

    /// Answers the session that has been silent for too long.
    pub(crate) fn on_time(&mut self, context: &mut Context<'_>) -> Option<SessionId> {
        while let Some(place) = self.timers.pop_due(context.now) {
            self.with_spot(place, |spot| spot.on_time(context));
        }
        self.post_timer(context.config).filter(|due| *due <= context.now)?;
        let valid_until = self.post.valid_until(context.config)?;
        if valid_until <= context.now {
            return self.post.session();
        }
        self.post.set_at_risk();
        for (_, lock) in self.held() {
            context.tell(Event::AtRisk { lock, valid_until });
        }
        None
    }

    fn tell_renewed(&self, context: &mut Context<'_>) {
        let Some((sent, valid_until)) = self.post.proof(context.config) else { return };
        for (_, lock) in self.held() {
            context.tell(Event::Renewed { lock, sent, valid_until });
        }
    }

    fn for_each_spot(&mut self, mut change: impl FnMut(&mut Spot)) {
        let places: Vec<AdvisoryPlace> = self.spots.keys().copied().collect();
        for place in places {
            self.with_spot(place, &mut change);
        }
    }

    /// Every change of a place goes through here, so that the schedules always agree with it.
    fn with_spot<T>(
        &mut self,
        place: AdvisoryPlace,
        change: impl FnOnce(&mut Spot) -> T,
    ) -> Option<T> {
        let result = change(self.spots.get_mut(&place)?);
        self.reschedule(place);
        Some(result)
    }

    fn reschedule(&mut self, place: AdvisoryPlace) {
        let Some(spot) = self.spots.get(&place) else { return };
        self.work.set(&place, spot.work_due());
        self.timers.set(&place, spot.timer());
        note(&mut self.held, place, spot.is_held());
        note(&mut self.watched, place, spot.is_watched());
        if spot.is_forgettable() {
            self.spots.remove(&place);
        }
    }
}

fn note(places: &mut BTreeSet<AdvisoryPlace>, place: AdvisoryPlace, belongs: bool) {
    if belongs {
        places.insert(place);
    } else {
        places.remove(&place);
    }
}
