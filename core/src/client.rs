//! The client: brings what happens to the small machines that decide, and what they want to the
//! server. Decides nothing but who goes first: renewals, then rows, then questions.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// What a small machine of this client is given with a transition; the machine itself is not borrowed with it.
macro_rules! context {
    ($client:expr) => {
        Context {
            now: $client.now,
            config: &$client.config,
            hears: $client.hints.are_heard(),
            numbers: &mut $client.numbers,
            jitter: &mut $client.jitter,
            events: &mut $client.events,
        }
    };
}

mod advisory;
mod rebase;
mod receiving;
mod sending;

use crate::advisory::family::Family;
use crate::advisory::unlocked;
use crate::bugs::{Bug, made};
use crate::config::{Config, ConfigError, Timing};
use crate::context::Context;
use crate::error::{Failure, ServerError};
use crate::event::Event;
use crate::flight::Flights;
use crate::hints::{Hints, handed_over};
use crate::identity::{Identity, Jitter, Numbers};
use crate::lease::row::Row;
use crate::lease::waiter::Waiter;
use crate::name::LockName;
use crate::output::{
    Command, CommandId, LockId, Outcome, Output, QuestionId, SessionId, SessionKind,
};
use crate::question::{Question, Questions};
use crate::request::{Amendment, AskError, Heartbeat, Request};
use crate::schedule::Schedule;
use crate::session::Sessions;
use crate::sql::Sql;
use crate::time::Instant;

/// How many rows that nobody asks for are remembered, for what was seen of their holders.
const REMEMBERED: usize = 4_096;

/// All locks of one client on one table.
///
/// If the `now` of a call lies before that of an earlier call, the earlier call's is used instead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    config: Config,
    sql: Arc<Sql>,
    numbers: Numbers,
    jitter: Jitter,
    now: Instant,
    rows: BTreeMap<LockName, Row>,
    locks: BTreeMap<LockId, LockName>,
    next_lock: u64,
    /// When a row changes by time alone, has to be given back or amended, to be asked, or renewed.
    timers: Schedule<LockName>,
    urgent: Schedule<LockName>,
    work: Schedule<LockName>,
    renewals: Schedule<LockName>,
    /// Since when the holder of a row that nobody asks for was seen.
    remembered: Schedule<LockName>,
    /// Rows whose release by another client somebody waits for.
    watched: BTreeSet<LockName>,
    hints: Hints,
    advisory: Family,
    questions: Questions,
    sessions: Sessions,
    flights: Flights,
    events: VecDeque<Event>,
    /// A command that is due as soon as the events before it have been told.
    departing: Option<Command>,
    shutting_down: bool,
    counters: Counters,
}

/// What a client has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Counters {
    /// Commands handed to the driver.
    pub commands: u64,
    /// Outcomes ignored because nothing waited for them: late, repeated or foreign.
    pub ignored_outcomes: u64,
    /// Commands whose outcome is unknown: lost, overdue, or an error that says nothing.
    pub unknown_outcomes: u64,
    /// Sessions given up because a reply or the connection was overdue.
    pub overdue: u64,
}

impl Client {
    /// A client that has asked for nothing and opened no connection.
    ///
    /// `identity` must be unique to this client: two clients with one identity may both believe in
    /// one lock. `seed` only spreads waits; clients may share it.
    ///
    /// # Errors
    /// When the settings break the rule of [`Config::check`].
    pub fn new(config: Config, identity: Identity, seed: u64) -> Result<Self, ConfigError> {
        config.check()?;
        let identity = if made(Bug::M63) { Identity::of_seed(seed) } else { identity };
        Ok(Self {
            sql: Arc::new(Sql::new(&config.table)),
            numbers: Numbers::new(identity),
            jitter: Jitter::new(seed),
            now: Instant::default(),
            rows: BTreeMap::new(),
            locks: BTreeMap::new(),
            next_lock: 0,
            timers: Schedule::new(),
            urgent: Schedule::new(),
            work: Schedule::new(),
            renewals: Schedule::new(),
            remembered: Schedule::new(),
            watched: BTreeSet::new(),
            hints: Hints::new(),
            advisory: Family::new(),
            questions: Questions::new(),
            sessions: Sessions::new(config.work_sessions),
            flights: Flights::new(),
            events: VecDeque::new(),
            departing: None,
            shutting_down: false,
            counters: Counters::default(),
            config,
        })
    }

    /// Asks for a lock. What comes of it is told by events with the returned id.
    ///
    /// # Errors
    /// When the lease and heartbeat cannot be kept, the client is shutting down, or the clock is
    /// near its end.
    pub fn acquire(&mut self, request: Request, now: Instant) -> Result<LockId, AskError> {
        let timing = self.config.timing(request.lease, request.heartbeat);
        let timing = timing.map_err(AskError::Timing)?;
        self.advance(now);
        if self.shutting_down {
            return Err(AskError::ShuttingDown);
        }
        if self.now.checked_add(timing.lease).is_none() {
            return Err(AskError::ClockExhausted);
        }
        let lock = LockId::new(self.next_lock);
        self.next_lock += 1;
        let name = request.name.clone();
        self.locks.insert(lock, name.clone());
        self.with_row(&name, |row, context| {
            let waiter = Waiter::new(lock, request, timing, context);
            row.acquire(waiter, context);
        });
        Ok(lock)
    }

    /// Gives a held lock back. From this call on it is not held; [`Event::Released`](crate::Event::Released)
    /// tells when the server has freed it, or when its lease has passed without an answer.
    ///
    /// # Errors
    /// When it is not held (any more).
    pub fn release(&mut self, lock: LockId, now: Instant) -> Result<(), AskError> {
        self.advance(now);
        let (advisory, mut context) = self.advisory_and_context();
        match advisory.release(lock, &mut context) {
            Some(held) => held.then_some(()).ok_or(AskError::NotHeld(lock)),
            None => self.with_lock(lock, |row, context| row.release(lock, context.now)),
        }
    }

    /// Ends an acquire that is under way, or gives the lock back if it came through already.
    /// Whatever was unknowingly taken is given back silently.
    ///
    /// # Errors
    /// When the lock has had its terminal event or is being released.
    pub fn cancel(&mut self, lock: LockId, now: Instant) -> Result<(), AskError> {
        self.advance(now);
        let (advisory, mut context) = self.advisory_and_context();
        match advisory.cancel(lock, &mut context) {
            Some(known) => known.then_some(()).ok_or(AskError::NotHeld(lock)),
            None => self.with_lock(lock, |row, context| row.cancel(lock, context)),
        }
    }

    /// Renews a held lock now; [`Event::Renewed`](crate::Event::Renewed) tells of it.
    ///
    /// # Errors
    /// When it is not held (any more).
    pub fn heartbeat(&mut self, lock: LockId, now: Instant) -> Result<(), AskError> {
        self.advance(now);
        self.with_lock(lock, |row, context| row.heartbeat(lock, context.now))
    }

    /// Gives a held lock another lease, other data, or both;
    /// [`Event::Amended`](crate::Event::Amended) tells when they stand in the row. A second amendment before that
    /// is merged into the first.
    ///
    /// # Errors
    /// When it is not held (any more), or the lease cannot be kept.
    pub fn amend(
        &mut self,
        lock: LockId,
        amendment: Amendment,
        now: Instant,
    ) -> Result<(), AskError> {
        self.advance(now);
        let timing = self.amended_timing(lock, &amendment)?;
        self.with_lock(lock, |row, context| row.amend(lock, amendment, timing, context.now))
    }

    /// Asks a question that needs no lock; [`Event::Answered`](crate::Event::Answered) brings the answer.
    ///
    /// # Errors
    /// When the client is shutting down.
    pub fn ask(&mut self, question: Question, now: Instant) -> Result<QuestionId, AskError> {
        self.advance(now);
        if self.shutting_down {
            return Err(AskError::ShuttingDown);
        }
        let (questions, context) = self.questions_and_context();
        Ok(questions.ask(question, &context))
    }

    /// Gives back all locks, cancels all that is under way, and closes the connections in the end.
    pub fn shut_down(&mut self, now: Instant) {
        self.advance(now);
        self.shutting_down = true;
        self.for_each_row(Row::shut_down);
        let (advisory, mut context) = self.advisory_and_context();
        advisory.shut_down(&mut context);
        let (questions, mut context) = self.questions_and_context();
        questions.give_up(true, &mut context);
    }

    /// Whether a shut-down is complete: every lock has had its terminal event and no connection is open.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.shutting_down
            && self.events.is_empty()
            && self.is_quiet()
            && self.sessions.all_closed()
    }

    /// A connection is open.
    pub fn handle_connected(&mut self, session: SessionId, now: Instant) {
        self.advance(now);
        if self.sessions.connected(session) == Some(SessionKind::Hints) {
            self.hints.rest_until(self.now);
        }
    }

    /// A connection broke or could not be opened; with the server's error if it gave one.
    pub fn handle_disconnected(
        &mut self,
        session: SessionId,
        error: Option<ServerError>,
        now: Instant,
    ) {
        self.advance(now);
        if let Some(error) = error.filter(|_| self.sessions.knows(session)) {
            self.note_connect_error(&error);
        }
        let now = self.now;
        let lost = self.sessions.disconnected(session, &self.config, &mut self.jitter, now);
        self.lose_session(session, lost);
    }

    /// A notification has come on a session for [hints](crate::SessionKind::Hints). Any payload may be given: one
    /// that is not for this client changes nothing.
    pub fn handle_notification(&mut self, session: SessionId, payload: &str, now: Instant) {
        self.advance(now);
        if !self.sessions.knows(session) {
            return;
        }
        if let Some(place) = unlocked(payload) {
            self.advisory.common.hint(place, self.now);
        }
        if let Some((ticket, name)) = handed_over(payload)
            && let Some(name) = self.watched.get(name).cloned()
        {
            self.with_row(&name, |row, context| row.hint(ticket, context.now));
        }
    }

    /// A command has an outcome. `now` must have been read after it arrived.
    pub fn handle_outcome(&mut self, command: CommandId, outcome: Outcome, now: Instant) {
        let cargo = self.flights.land(command);
        let session = self.sessions.answered(command);
        if made(Bug::M12) {
            self.now = self.now.max(now).min(Instant::END);
        } else {
            self.advance(now);
        }
        let Some(cargo) = cargo else {
            self.counters.ignored_outcomes += 1;
            return;
        };
        let unfit = self.is_unfit_after(&outcome);
        self.deliver(command, cargo, outcome);
        self.judge(session, unfit);
    }

    /// Time has passed. Calling [`Client::poll_output`] does the same.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// What to do next; call again until it answers [`Output::Wait`]. `now` must have been read
    /// before the output is acted on.
    ///
    /// Events come before commands, so that a lock that is about to be shortened is known to be so
    /// before the server is told.
    pub fn poll_output(&mut self, now: Instant) -> Output {
        self.advance(now);
        if let Some(event) = self.poll_event() {
            return Output::Event(event);
        }
        self.close_idle_lines();
        if let Some(session) = self.sessions.pop_closing() {
            return Output::Disconnect(session);
        }
        let output = self
            .departing
            .take()
            .filter(|command| self.flights.is_under_way(command.id()))
            .map(Output::Execute)
            .or_else(|| self.send_renewals())
            .or_else(|| self.send_advisory())
            .or_else(|| self.send_row_or_question())
            .or_else(|| self.send_listen());
        match output {
            Some(Output::Execute(command)) => match self.poll_event() {
                Some(event) => {
                    self.departing = Some(command);
                    Output::Event(event)
                }
                None => Output::Execute(command),
            },
            Some(output) => output,
            None => match self.poll_event() {
                Some(event) => Output::Event(event),
                None => self.rest(),
            },
        }
    }

    /// The next event alone, if one waits to be told: for drivers that tell callers what has happened before
    /// they take a new ask from them.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Some(lock) = event.lock().filter(|_| event.is_terminal()) {
            self.locks.remove(&lock);
            self.advisory.forget(lock);
        }
        Some(event)
    }

    /// Until when a lock is held: while the clock reads less. `None` if it is not held.
    #[must_use]
    pub fn valid_until(&self, lock: LockId) -> Option<Instant> {
        match self.locks.get(&lock) {
            Some(name) => self.rows.get(name)?.valid_until(lock),
            None => self.advisory.valid_until(lock, &self.config),
        }
    }

    /// The leases held, by name.
    pub fn held(&self) -> impl Iterator<Item = (&LockName, LockId)> {
        self.rows.iter().filter_map(|(name, row)| row.held().map(|held| (name, held.lock())))
    }

    /// What the client has counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The settings.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Lets time pass up to `now`: gives up what is overdue, and tells the rows. At the clock's end
    /// whoever still waits is told so.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now).min(Instant::END);
        while let Some(session) = self.sessions.overdue(self.now) {
            self.counters.overdue += 1;
            self.give_up(session);
        }
        while let Some(name) = self.timers.pop_due(self.now) {
            self.with_row(&name, Row::on_time);
        }
        if self.advisory.timer(&self.config).is_some_and(|at| at <= self.now) {
            self.advance_advisory();
        }
        if self.questions.next_give_up().is_some_and(|at| at <= self.now) {
            let (questions, mut context) = self.questions_and_context();
            questions.give_up(false, &mut context);
        }
        if self.now == Instant::END {
            self.for_each_row(|row, context| row.fail_waiters(&Failure::ClockExhausted, context));
            self.end_advisory();
            let (questions, mut context) = self.questions_and_context();
            questions.fail_all(&Failure::ClockExhausted, &mut context);
        }
    }

    /// Whether no row and no question has anything under way that can still be waited for.
    fn is_quiet(&self) -> bool {
        let nothing_flies = self.flights.is_empty() || made(Bug::M18);
        let nobody_asks = self.questions.next_give_up().is_none();
        let idle = || self.rows.values().all(Row::is_idle) && self.advisory.is_idle();
        self.now == Instant::END || nothing_flies && nobody_asks && idle()
    }

    fn amended_timing(
        &self,
        lock: LockId,
        amendment: &Amendment,
    ) -> Result<Option<Timing>, AskError> {
        let row = self.locks.get(&lock).and_then(|name| self.rows.get(name));
        let held = row.and_then(Row::held).filter(|held| held.lock() == lock);
        let held = held.ok_or(AskError::NotHeld(lock))?;
        let Some(lease) = amendment.lease else { return Ok(None) };
        let heartbeat = match held.timing().heartbeat {
            Heartbeat::Every(_) => None,
            Heartbeat::ByHand => Some(Heartbeat::ByHand),
        };
        self.config.timing(Some(lease), heartbeat).map(Some).map_err(AskError::Timing)
    }

    fn with_lock(
        &mut self,
        lock: LockId,
        ask: impl FnOnce(&mut Row, &mut Context<'_>) -> bool,
    ) -> Result<(), AskError> {
        let name = self.locks.get(&lock).cloned().ok_or(AskError::NotHeld(lock))?;
        let done = self.with_row(&name, ask);
        if done { Ok(()) } else { Err(AskError::NotHeld(lock)) }
    }

    fn for_each_row(&mut self, mut change: impl FnMut(&mut Row, &mut Context<'_>)) {
        let names: Vec<LockName> = self.rows.keys().cloned().collect();
        for name in names {
            self.with_row(&name, &mut change);
        }
    }

    /// Every change of a row goes through here, so that the schedules always agree with it.
    fn with_row<T>(
        &mut self,
        name: &LockName,
        change: impl FnOnce(&mut Row, &mut Context<'_>) -> T,
    ) -> T {
        let now = self.now;
        let row = self.rows.entry(name.clone()).or_insert_with(|| Row::new(name.clone(), now));
        let mut context = context!(self);
        let result = change(row, &mut context);
        if self.shutting_down {
            row.hurry(&context);
        }
        self.reschedule(name);
        result
    }

    fn reschedule(&mut self, name: &LockName) {
        let Some(row) = self.rows.get(name) else { return };
        self.timers.set(name, row.timer());
        self.urgent.set(name, row.work_due().filter(|_| row.is_urgent()));
        self.work.set(name, row.work_due().filter(|_| !row.is_urgent()));
        self.renewals.set(name, row.renewal_due());
        self.remembered.set(name, row.remembered_since());
        if self.config.hints && row.wants_hints() {
            self.watched.insert(name.clone());
        } else {
            self.watched.remove(name);
        }
        if row.is_forgettable() {
            self.rows.remove(name);
        }
        if self.remembered.len() > REMEMBERED
            && let Some(oldest) = self.remembered.pop_due(Instant::MAX)
        {
            self.rows.remove(&oldest);
        }
    }

    const fn questions_and_context(&mut self) -> (&mut Questions, Context<'_>) {
        let context = context!(self);
        (&mut self.questions, context)
    }
}
