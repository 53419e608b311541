//! Connections to the server: when to open one, who may use it, when to give it up. Knows nothing of
//! what the commands on them mean.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Config;
use crate::identity::Jitter;
use crate::output::{CommandId, Output, SessionId, SessionKind};
use crate::time::Instant;

/// How soon to try again after something broke or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "two plain settings")]
pub struct Backoff {
    /// The first pause; each further failure doubles it. Pauses are spread between half and whole, and last
    /// one millisecond at least.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(50), longest: Duration::from_secs(5) }
    }
}

/// However short the pauses are set, whoever fails for ever does not spin.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

impl Backoff {
    /// The pause after this many failures in a row; none after the first, which is often all there is.
    pub(crate) fn pause(self, failures: u32, jitter: &mut Jitter) -> Duration {
        match failures.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
                let pause = self.first.saturating_mul(factor).min(self.longest);
                jitter.spread(pause).max(LEAST_PAUSE)
            }
        }
    }
}

/// All connections of a client, each of which carries one command at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Sessions {
    lanes: Vec<Lane>,
    closing: VecDeque<SessionId>,
    next_id: u64,
    failures: u32,
    retry_at: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Lane {
    kind: SessionKind,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Closed,
    Connecting { id: SessionId, deadline: Instant },
    Idle { id: SessionId },
    Busy { id: SessionId, command: CommandId, deadline: Instant },
}

impl State {
    const fn id(self) -> Option<SessionId> {
        match self {
            Self::Closed => None,
            Self::Connecting { id, .. } | Self::Idle { id } | Self::Busy { id, .. } => Some(id),
        }
    }

    const fn command(self) -> Option<CommandId> {
        match self {
            Self::Busy { command, .. } => Some(command),
            Self::Closed | Self::Connecting { .. } | Self::Idle { .. } => None,
        }
    }

    const fn deadline_mut(&mut self) -> Option<&mut Instant> {
        match self {
            Self::Connecting { deadline, .. } | Self::Busy { deadline, .. } => Some(deadline),
            Self::Closed | Self::Idle { .. } => None,
        }
    }

    const fn deadline(self) -> Option<Instant> {
        match self {
            Self::Connecting { deadline, .. } | Self::Busy { deadline, .. } => Some(deadline),
            Self::Closed | Self::Idle { .. } => None,
        }
    }
}

/// Where a command of some kind can go.
pub(crate) enum Place {
    /// Onto this session, now.
    Session(SessionId),
    /// Onto one that is to be opened now.
    Connect(SessionId, SessionKind),
    /// Nowhere yet.
    None,
}

impl Place {
    /// What the driver is to do so that there will be a place.
    pub(crate) fn connect(self) -> Option<Output> {
        match self {
            Self::Connect(session, kind) => Some(Output::Connect(session, kind)),
            Self::Session(_) | Self::None => None,
        }
    }
}

impl Sessions {
    pub(crate) fn new(work_sessions: usize) -> Self {
        let kinds = [SessionKind::Renewals, SessionKind::Hints, SessionKind::Advisory]
            .into_iter()
            .chain(core::iter::repeat_n(SessionKind::Work, work_sessions));
        Self {
            lanes: kinds.map(|kind| Lane { kind, state: State::Closed }).collect(),
            closing: VecDeque::new(),
            next_id: 0,
            failures: 0,
            retry_at: Instant::default(),
        }
    }

    /// A moment to connect again that is over is as good as none.
    pub(crate) fn forget_retry(&mut self, now: Instant) {
        if self.retry_at <= now {
            self.retry_at = Instant::default();
        }
    }

    pub(crate) fn each_moment(&mut self, change: &mut impl FnMut(&mut Instant)) {
        change(&mut self.retry_at);
        self.lanes.iter_mut().filter_map(|lane| lane.state.deadline_mut()).for_each(change);
    }

    /// An idle session for work, or one to be opened.
    pub(crate) fn for_work(&mut self, config: &Config, now: Instant) -> Place {
        self.place(SessionKind::Work, config, now)
    }

    /// The session for renewals, or one to be opened; while it is not to be had, one for work.
    pub(crate) fn for_renewals(&mut self, config: &Config, now: Instant) -> Place {
        match self.place(SessionKind::Renewals, config, now) {
            Place::None => self.place(SessionKind::Work, config, now),
            place @ (Place::Session(_) | Place::Connect(..)) => place,
        }
    }

    /// The session for hints, or one to be opened.
    pub(crate) fn for_hints(&mut self, config: &Config, now: Instant) -> Place {
        self.place(SessionKind::Hints, config, now)
    }

    /// The session for advisory locks, or one to be opened.
    pub(crate) fn for_advisory(&mut self, config: &Config, now: Instant) -> Place {
        self.place(SessionKind::Advisory, config, now)
    }

    /// The session of one who waits in line, or one to be opened for it alone.
    pub(crate) fn for_line(
        &mut self,
        own: &mut Option<SessionId>,
        config: &Config,
        now: Instant,
    ) -> Place {
        let lane = own.and_then(|id| self.lane_of(id));
        match lane.map(|lane| lane.state) {
            Some(State::Idle { id }) => Place::Session(id),
            Some(State::Closed | State::Connecting { .. } | State::Busy { .. }) => Place::None,
            None if !self.may_open(now) => Place::None,
            None => {
                let (kind, id) = (SessionKind::InLine, SessionId::new(self.next_id));
                self.lanes.push(Lane { kind, state: State::Closed });
                *own = Some(id);
                self.open(kind, config, now)
            }
        }
    }

    fn place(&mut self, kind: SessionKind, config: &Config, now: Instant) -> Place {
        if let Some(id) = self.idle(kind) {
            return Place::Session(id);
        }
        if self.may_open(now) && !self.is_connecting(kind) {
            self.open(kind, config, now)
        } else {
            Place::None
        }
    }

    /// At the clock's end there is no time left for a connection to open in.
    fn may_open(&self, now: Instant) -> bool {
        now >= self.retry_at && now != Instant::END
    }

    fn open(&mut self, kind: SessionKind, config: &Config, now: Instant) -> Place {
        let id = SessionId::new(self.next_id);
        let closed = |lane: &&mut Lane| lane.kind == kind && lane.state == State::Closed;
        match self.lanes.iter_mut().find(closed) {
            None => Place::None,
            Some(lane) => {
                self.next_id += 1;
                let deadline = now.saturating_add(config.connect_deadline);
                lane.state = State::Connecting { id, deadline };
                Place::Connect(id, kind)
            }
        }
    }

    /// One connection is opened at a time: it may be all that is needed.
    fn is_connecting(&self, kind: SessionKind) -> bool {
        self.lanes.iter().filter(|lane| lane.kind == kind).any(|lane| match lane.state {
            State::Connecting { .. } => true,
            State::Closed | State::Idle { .. } | State::Busy { .. } => false,
        })
    }

    fn idle(&self, kind: SessionKind) -> Option<SessionId> {
        self.lanes.iter().filter(|lane| lane.kind == kind).find_map(|lane| match lane.state {
            State::Idle { id } => Some(id),
            State::Closed | State::Connecting { .. } | State::Busy { .. } => None,
        })
    }

    /// Answers what it is for, if it was being opened.
    pub(crate) fn connected(&mut self, session: SessionId) -> Option<SessionKind> {
        let lane = self.lane_of(session)?;
        let was_opening = matches!(lane.state, State::Connecting { .. });
        was_opening.then(|| {
            lane.state = State::Idle { id: session };
            lane.kind
        })
    }

    pub(crate) fn knows(&self, session: SessionId) -> bool {
        self.lanes.iter().any(|lane| lane.state.id() == Some(session))
    }

    /// The session is gone. Answers the command that was on it.
    pub(crate) fn disconnected(
        &mut self,
        session: SessionId,
        config: &Config,
        jitter: &mut Jitter,
        now: Instant,
    ) -> Option<CommandId> {
        self.closing.retain(|closing| *closing != session);
        let lane = self.lane_of(session)?;
        let command = lane.state.command();
        lane.state = State::Closed;
        self.forget_lines();
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now.saturating_add(config.backoff.pause(self.failures, jitter));
        command
    }

    /// Closes the session. Answers the command that was on it.
    pub(crate) fn give_up(
        &mut self,
        session: SessionId,
        config: &Config,
        jitter: &mut Jitter,
        now: Instant,
    ) -> Option<CommandId> {
        let command = self.disconnected(session, config, jitter, now);
        self.closing.push_back(session);
        command
    }

    /// Closes the session of one who waited in line and needs it no more. Answers the command that was on it.
    pub(crate) fn close_line(&mut self, session: SessionId) -> Option<CommandId> {
        let lane = self.lane_of(session)?;
        let command = lane.state.command();
        lane.state = State::Closed;
        self.closing.push_back(session);
        self.forget_lines();
        command
    }

    /// Sessions in line are opened for one place, and as many as are needed.
    fn forget_lines(&mut self) {
        self.lanes.retain(|lane| lane.kind != SessionKind::InLine || lane.state != State::Closed);
    }

    /// A session on which a reply, or the connection itself, is overdue.
    pub(crate) fn overdue(&self, now: Instant) -> Option<SessionId> {
        let overdue = |lane: &&Lane| lane.state.deadline().is_some_and(|deadline| deadline <= now);
        self.lanes.iter().find(overdue).and_then(|lane| lane.state.id())
    }

    pub(crate) fn sent(&mut self, session: SessionId, command: CommandId, deadline: Instant) {
        if let Some(lane) = self.lane_of(session) {
            lane.state = State::Busy { id: session, command, deadline };
        }
    }

    /// The command has its outcome. Answers the session it was on.
    pub(crate) fn answered(&mut self, command: CommandId) -> Option<SessionId> {
        let lane = self.lanes.iter_mut().find(|lane| lane.state.command() == Some(command))?;
        let id = lane.state.id()?;
        lane.state = State::Idle { id };
        Some(id)
    }

    /// The server answers: the next failure is the first again.
    pub(crate) const fn well(&mut self) {
        self.failures = 0;
    }

    /// A session that is to be closed.
    pub(crate) fn pop_closing(&mut self) -> Option<SessionId> {
        self.closing.pop_front()
    }

    /// Closes every session.
    pub(crate) fn close_all(&mut self) {
        for lane in &mut self.lanes {
            self.closing.extend(lane.state.id());
            lane.state = State::Closed;
        }
    }

    pub(crate) fn all_closed(&self) -> bool {
        self.closing.is_empty() && self.lanes.iter().all(|lane| lane.state == State::Closed)
    }

    /// When something here falls due; the time to connect again counts only if a session is `wanted`.
    pub(crate) fn due(&self, wanted: bool, now: Instant) -> Option<Instant> {
        let retry = Some(self.retry_at).filter(|at| wanted && *at > now);
        self.lanes.iter().filter_map(|lane| lane.state.deadline()).chain(retry).min()
    }

    fn lane_of(&mut self, session: SessionId) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.state.id() == Some(session))
    }
}
