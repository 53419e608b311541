//! Accounts made by hand: each promise kept, and broken.

use pglock_core::{LockName, Rvn};

use super::judge;
use crate::account::{Account, Author, Bounds, Deed, Ending, Grant, Holder, Step, What, Write};
use crate::server::Record;

const LEASE: u64 = 1_000_000_000;
const A: Holder = Holder { who: 0, lock: 0 };
const B: Holder = Holder { who: 1, lock: 0 };

/// A row's life, told a write at a time.
#[derive(Default)]
struct Story {
    account: Account,
    row: Option<Record>,
}

fn name() -> LockName {
    LockName::new("invoice").unwrap()
}

fn rvn(number: i64) -> Rvn {
    Rvn::new(Rvn::MARK + number)
}

fn grant(token: i64, until: u64) -> Step {
    Step::Granted(Grant { token, data: None, until, heard: None })
}

const fn acquire(seen: Option<Rvn>) -> Deed {
    Deed::Acquire { seen, data: None, replace: false }
}

fn ticket(number: i64) -> Rvn {
    Rvn::new(Rvn::TICKET + number)
}

/// A row with a number, a token and the usual lease.
fn row(number: i64, token: i64) -> Record {
    let lease_ms = i64::try_from(LEASE / 1_000_000).ok();
    Record { rvn: Some(rvn(number)), token: Some(token), lease_ms, ..Record::default() }
}

impl Story {
    /// Clocks that are right; the row is there and free.
    fn new() -> Self {
        let mut story = Self::default();
        story.write(0, B.who, acquire(None), Some(Record::default()));
        story
    }

    fn tell(&mut self, at: u64, of: Holder, steps: impl IntoIterator<Item = Step>) {
        steps.into_iter().for_each(|step| self.account.tell(at, of, step));
    }

    fn ask(&mut self, of: Holder) {
        self.tell(0, of, [Step::Asked { name: name() }]);
    }

    fn write(&mut self, at: u64, who: usize, deed: Deed, after: Option<Record>) {
        self.write_sent(at, Author { who, sent: at, late: false, deed }, after);
    }

    fn write_sent(&mut self, at: u64, author: Author, after: Option<Record>) {
        let before = std::mem::replace(&mut self.row, after.clone());
        let write = Write { name: name(), before, after, by: Some(author) };
        self.account.add(at, What::Row(write));
    }

    fn stranger_writes(&mut self, at: u64, after: Option<Record>) {
        let before = std::mem::replace(&mut self.row, after.clone());
        self.account.add(at, What::Row(Write { name: name(), before, after, by: None }));
    }

    /// A asks and is granted the row at 10, and believes in it for a lease.
    fn held_by_a() -> Self {
        let mut story = Self::new();
        story.ask(A);
        story.write(10, A.who, acquire(None), Some(row(1, 1)));
        story.tell(10, A, [grant(1, 10 + LEASE)]);
        story
    }

    /// A gives it back at 20, and its release is written.
    fn released_by_a() -> Self {
        let mut story = Self::held_by_a();
        story.tell(20, A, [Step::LetGo]);
        let free = Record { rvn: None, ..row(1, 1) };
        story.write(21, A.who, Deed::Release { keep_data: false }, Some(free));
        story.tell(22, A, [Step::Ended(Ending::Released)]);
        story
    }

    /// B is granted the row that A holds, by a statement sent at `sent`.
    fn taken_over(mut self, sent: u64) -> Self {
        self.ask(B);
        let author = Author { who: B.who, sent, late: false, deed: acquire(Some(rvn(1))) };
        self.write_sent(sent, author, Some(row(2, 2)));
        self.tell(sent, B, [grant(2, sent + LEASE)]);
        self
    }

    fn is_fine(&self) {
        assert_eq!(judge(&self.account), Ok(()));
    }

    fn breaks(&self, rule: &str, words: &str) {
        let judgement = judge(&self.account).unwrap_err();
        assert_eq!(judgement.rule, rule, "{judgement}");
        assert!(judgement.words.contains(words), "{judgement}");
    }
}

/// Two clients of real processes, of which no more is known than what they believed.
fn two_beliefs(first: (u64, u64), second: (u64, u64)) -> Story {
    let mut story = Story::default();
    for (token, (of, (from, until))) in [(A, first), (B, second)].into_iter().enumerate() {
        story.ask(of);
        story.tell(from, of, [grant(i64::try_from(token).unwrap(), until)]);
    }
    story
}

#[test]
fn beliefs_may_touch_but_not_overlap() {
    two_beliefs((10, 20), (20, 30)).is_fine();
    two_beliefs((10, 21), (20, 30)).breaks("S1", "both believe");
    two_beliefs((10, 90), (20, 30)).breaks("S1", "both believe");
}

#[test]
fn a_short_belief_does_not_hide_a_long_one_before_it() {
    let mut story = two_beliefs((10, 90), (20, 30));
    story.account.tell(15, A, Step::LetGo);
    story.is_fine();
    let mut story = two_beliefs((10, 20), (60, 70));
    story.account.tell(19, A, Step::Trusted { until: 50 });
    story.is_fine();
    story.account.tell(49, A, Step::Trusted { until: 61 });
    story.breaks("S1", "both believe");
}

#[test]
fn a_belief_that_was_shortened_is_over_earlier() {
    let mut story = two_beliefs((10, 90), (20, 30));
    story.account.tell(12, A, Step::Trusted { until: 20 });
    story.is_fine();
}

#[test]
fn a_crash_ends_what_a_process_believed() {
    let mut story = two_beliefs((10, 90), (20, 30));
    story.account.add(20, What::Crashes { who: A.who });
    story.is_fine();
    story.account.entries.pop();
    story.account.add(21, What::Crashes { who: A.who });
    story.breaks("S1", "both believe");
}

#[test]
fn nobody_believes_for_longer_than_the_row_promises() {
    let mut story = Story::held_by_a();
    story.is_fine();
    story.tell(30, A, [Step::Trusted { until: 11 + LEASE }]);
    story.breaks("S1", "1 ns longer than the row promises");
    let mut story = Story::held_by_a();
    story.write(30, A.who, Deed::Renew, Some(row(2, 1)));
    story.tell(30, A, [Step::Trusted { until: 30 + LEASE }]);
    story.is_fine();
}

#[test]
fn what_a_row_promises_is_less_where_clocks_may_be_wrong() {
    let mut story = Story::held_by_a();
    story.account.bounds = Bounds { ppm: 250_000, granularity: 1_000, ..Bounds::default() };
    // What a clock counts that is as fast as it may be: (a lease less a granularity) / 1.25.
    story.breaks("S1", "200000800 ns longer");
}

#[test]
fn belief_is_over_before_the_row_is_somebody_elses() {
    Story::held_by_a().taken_over(10 + LEASE).is_fine();
    let mut story = Story::held_by_a();
    story.account.tell(30, A, Step::LetGo);
    let free = Record { rvn: None, ..row(1, 1) };
    story.write(31, A.who, Deed::Release { keep_data: false }, Some(free));
    story.is_fine();
    let mut story = Story::new();
    story.ask(A);
    story.tell(30, A, [grant(1, 10 + LEASE)]);
    story.breaks("S4", "the row says otherwise");
}

#[test]
fn what_a_stranger_has_ended_is_believed_in_without_blame() {
    let mut story = Story::held_by_a();
    story.stranger_writes(20, None);
    story.ask(B);
    story.write(30, B.who, acquire(None), Some(Record::default()));
    story.write(30, B.who, acquire(None), Some(row(2, 2)));
    story.tell(40, B, [grant(2, 50)]);
    story.tell(41, A, [Step::Trusted { until: 60 }]);
    story.is_fine();
}

#[test]
fn a_grant_that_a_stranger_has_ended_may_be_heard_of_late() {
    let mut story = Story::new();
    story.ask(A);
    story.write(10, A.who, acquire(None), Some(row(1, 1)));
    story.stranger_writes(20, Some(Record { rvn: None, ..row(1, 1) }));
    story.ask(B);
    story.write(30, B.who, acquire(None), Some(row(2, 2)));
    story.tell(40, B, [grant(2, 50)]);
    story.tell(41, A, [grant(1, 60)]);
    story.is_fine();
}

#[test]
fn tokens_grow_from_grant_to_grant() {
    let mut story = Story::released_by_a();
    story.write(40, B.who, acquire(None), Some(row(2, 2)));
    story.is_fine();
    let mut story = Story::released_by_a();
    story.write(40, B.who, acquire(None), Some(row(2, 1)));
    story.breaks("S3", "a grant of invoice turns token Some(1) into Some(1)");
    let mut story = Story::released_by_a();
    story.stranger_writes(30, None);
    story.write(40, B.who, acquire(None), Some(Record::default()));
    story.write(40, B.who, acquire(None), Some(row(2, 1)));
    story.breaks("S3", "into Some(1), after Some(1)");
}

#[test]
fn a_heartbeat_keeps_the_token() {
    let mut story = Story::held_by_a();
    story.write(30, A.who, Deed::Renew, Some(row(2, 2)));
    story.breaks("S3", "what is no grant");
}

#[test]
fn tokens_grow_along_beliefs() {
    let mut story = two_beliefs((30, 40), (10, 20));
    story.breaks("S3", "token 0 of invoice is believed in after 1");
    story = two_beliefs((10, 20), (30, 40));
    story.is_fine();
}

#[test]
fn numbers_come_once() {
    let mut story = Story::released_by_a();
    story.write(40, B.who, acquire(None), Some(row(1, 2)));
    story.breaks("S6", "comes to row invoice again");
}

#[test]
fn a_row_is_found_as_it_was_left() {
    let mut story = Story::held_by_a();
    story.row = Some(row(7, 1));
    story.write(30, A.who, Deed::Renew, Some(row(2, 1)));
    story.breaks("S6", "was left as");
}

#[test]
fn a_row_must_be_watched_for_its_lease() {
    Story::held_by_a().taken_over(10 + LEASE).is_fine();
    Story::held_by_a().taken_over(9 + LEASE).breaks("S6", "999999999 ns at most; 1000000000 ns");
}

#[test]
fn what_counts_is_when_the_challenger_saw_the_number() {
    let mut story = Story::held_by_a();
    let sees = |read_at| What::Sees { who: B.who, name: name(), rvn: rvn(1), read_at };
    story.account.add(15, sees(12));
    story.account.add(16, sees(16));
    story.taken_over(12 + LEASE).is_fine();
    let mut story = Story::held_by_a();
    story.account.add(15, sees(12));
    story.taken_over(11 + LEASE).breaks("S6", "watched for 999999999 ns");
}

#[test]
fn a_row_is_not_taken_over_under_another_number() {
    let mut story = Story::held_by_a();
    story.write(10 + LEASE, B.who, acquire(Some(rvn(7))), Some(row(2, 2)));
    story.breaks("S6", "which it has not watched");
}

#[test]
fn the_row_of_a_go_client_is_watched_for_its_lease_and_two_heartbeats() {
    let taken_over_at = |sent| {
        let mut story = Story::new();
        story.account.bounds.foreign_heartbeat = 5;
        let go = Record { rvn: Some(Rvn::new(3)), lease_ms: Some(0), ..Record::default() };
        story.stranger_writes(10, Some(go));
        story.write(sent, B.who, acquire(Some(Rvn::new(3))), Some(row(2, 2)));
        story
    };
    taken_over_at(20 + LEASE).is_fine();
    taken_over_at(19 + LEASE).breaks("S6", "1000000010 ns are needed");
}

#[test]
fn a_client_may_take_what_it_does_not_know_to_be_its_own() {
    let mut story = Story::new();
    story.write(10, A.who, acquire(None), Some(row(1, 1)));
    story.write(11, A.who, acquire(None), Some(row(1, 1)));
    story.write(20, A.who, acquire(None), Some(row(2, 2)));
    story.is_fine();
    let mut story = Story::held_by_a();
    story.write(20, A.who, acquire(None), Some(row(2, 2)));
    story.breaks("S6", "which it has not watched");
}

#[test]
fn a_refused_try_writes_nothing() {
    let mut story = Story::held_by_a();
    story.write(20, B.who, acquire(None), Some(row(1, 1)));
    story.breaks("S6", "which it has not watched");
}

#[test]
fn nobody_renews_or_releases_what_is_not_its_own() {
    let free = Record { rvn: None, ..row(1, 1) };
    let release = || Deed::Release { keep_data: false };
    let mut story = Story::held_by_a();
    story.write(20, B.who, Deed::Renew, Some(row(2, 1)));
    story.breaks("S6", "renews what is not its own");
    let mut story = Story::held_by_a();
    story.write(20, B.who, release(), Some(free.clone()));
    story.breaks("S6", "releases what is not its own");
    let mut story = Story::held_by_a();
    story.write(20, A.who, release(), Some(free.clone()));
    story.breaks("S6", "releases what it still believes in");
    let mut story = Story::released_by_a();
    story.write(30, A.who, release(), Some(free));
    story.breaks("S6", "releases what is free");
    let mut story = Story::released_by_a();
    story.write(30, A.who, Deed::Renew, Some(row(2, 1)));
    story.breaks("S6", "renews what nobody holds");
    let mut story = Story::held_by_a();
    story.write(30, A.who, Deed::Other, Some(row(2, 1)));
    story.breaks("S6", "is not one that does");
}

/// A holds the row, and B and somebody else wait in its line.
fn waited_for() -> (Story, Record) {
    let mut story = Story::held_by_a();
    story.ask(B);
    let mut in_line = row(1, 1);
    for (who, number) in [(B.who, 1), (7, 2)] {
        in_line.waiters.push(ticket(number));
        story.write(20, who, Deed::LineUp, Some(in_line.clone()));
    }
    (story, in_line)
}

/// A's row after its release.
fn handed_over(number: i64, left: &[i64]) -> Record {
    let waiters = left.iter().copied().map(ticket).collect();
    Record { rvn: Some(ticket(number)), waiters, ..row(1, 1) }
}

const RELEASE: Deed = Deed::Release { keep_data: true };

#[test]
fn a_row_is_handed_over_to_the_first_in_line() {
    let (mut story, _) = waited_for();
    story.tell(30, A, [Step::LetGo]);
    story.write(31, A.who, RELEASE, Some(handed_over(1, &[2])));
    let taken = Record { waiters: vec![ticket(2)], ..row(2, 2) };
    story.write(32, B.who, acquire(None), Some(taken));
    story.tell(33, B, [grant(2, 32 + LEASE)]);
    story.is_fine();

    for wrong in [handed_over(2, &[1]), handed_over(1, &[]), Record { rvn: None, ..row(1, 1) }] {
        let (mut story, _) = waited_for();
        story.tell(30, A, [Step::LetGo]);
        story.write(31, A.who, RELEASE, Some(wrong));
        story.breaks("S6", "does not hand over to the first in line");
    }
}

#[test]
fn what_was_handed_over_is_left_to_whom_it_is_for() {
    let given = || {
        let (mut story, _) = waited_for();
        story.account.bounds.hand_over = 100;
        story.tell(30, A, [Step::LetGo]);
        story.write(31, A.who, RELEASE, Some(handed_over(1, &[2])));
        story
    };
    let taken = || Some(Record { waiters: vec![ticket(2)], ..row(2, 2) });
    let mut story = given();
    story.write(32, 7, acquire(None), taken());
    story.breaks("S6", "which it has not watched");
    let mut story = given();
    story.write(130, 7, acquire(Some(ticket(1))), taken());
    story.breaks("S6", "100 ns are needed");
    let mut story = given();
    story.write(131, 7, acquire(Some(ticket(1))), taken());
    story.is_fine();
    let mut story = given();
    story.write(32, B.who, RELEASE, Some(handed_over(2, &[])));
    story.is_fine();
    let mut story = given();
    story.write(32, 7, RELEASE, Some(handed_over(2, &[])));
    story.breaks("S6", "releases what is not its own");
}

#[test]
fn a_line_is_joined_at_its_end_and_left_alone_by_others() {
    let (story, _) = waited_for();
    story.is_fine();
    let lines = [vec![2], vec![1, 2], vec![1]];
    for (who, left) in [B.who, 7, 7].into_iter().zip(lines) {
        let (mut story, in_line) = waited_for();
        let waiters: Vec<Rvn> = left.iter().copied().map(ticket).collect();
        story.write(30, who, RELEASE, Some(Record { waiters, ..in_line }));
        match left.len() {
            2 => story.breaks("S6", "releases but does not free"),
            _ => story.is_fine(),
        }
    }
    let (mut story, in_line) = waited_for();
    story.write(30, 7, RELEASE, Some(Record { waiters: vec![ticket(2)], ..in_line.clone() }));
    story.breaks("S6", "takes others along");
    let (mut story, mut in_line) = waited_for();
    in_line.waiters.insert(0, ticket(3));
    story.write(30, 8, Deed::LineUp, Some(in_line));
    story.breaks("S6", "changes more than the end of the line");
}

#[test]
fn data_changes_where_it_is_asked_to() {
    let with = |number, data: u8| Record { data: Some([data].into()), ..row(number, 1) };
    let data = |data: u8| Some([data].into());
    let mut story = Story::held_by_a();
    story.write(20, A.who, Deed::Amend { data: Some(data(5)) }, Some(with(2, 5)));
    story.write(21, A.who, Deed::Amend { data: None }, Some(with(3, 5)));
    story.is_fine();
    story.write(22, A.who, Deed::Renew, Some(with(4, 6)));
    story.breaks("S7", "row invoice was");
    let taken_over = |replace, found: u8| {
        let mut story = Story::held_by_a();
        story.write(20, A.who, Deed::Amend { data: Some(data(5)) }, Some(with(2, 5)));
        let deed = Deed::Acquire { seen: Some(rvn(2)), data: data(9), replace };
        let after = Record { token: Some(2), ..with(3, found) };
        story.write(20 + LEASE, B.who, deed, Some(after));
        story
    };
    taken_over(false, 5).is_fine();
    taken_over(false, 9).breaks("S7", "row invoice was");
    taken_over(true, 9).is_fine();
    taken_over(true, 5).breaks("S7", "row invoice was");
}

#[test]
fn a_heartbeat_keeps_owner_and_lease() {
    let mut story = Story::held_by_a();
    story.write(20, A.who, Deed::Renew, Some(Record { lease_ms: Some(2_000), ..row(2, 1) }));
    story.breaks("S7", "row invoice was");
}

#[test]
fn a_grant_comes_with_the_data_of_its_row() {
    let told = |data: Option<Vec<u8>>| {
        let mut story = Story::new();
        story.ask(A);
        let deed = Deed::Acquire { seen: None, data: Some([7].into()), replace: true };
        let after = Record { data: Some([7].into()), ..row(1, 1) };
        story.write(10, A.who, deed, Some(after));
        story.tell(11, A, [Step::Granted(Grant { token: 1, data, until: 20, heard: None })]);
        story
    };
    told(Some(vec![7])).is_fine();
    told(None).breaks("S7", "came with None");
}

#[test]
fn a_grant_is_told_once_in_time_and_to_whom_it_was_given() {
    let mut story = Story::held_by_a();
    story.tell(20, A, [grant(1, 30)]);
    story.breaks("S4", "a second time");
    let mut story = Story::held_by_a();
    story.ask(B);
    story.tell(20, B, [grant(1, 30)]);
    story.breaks("S4", "the row says otherwise");
    let heard_at = |heard| {
        let mut story = Story::default();
        story.ask(A);
        story.tell(
            20,
            A,
            [Step::Granted(Grant { token: 1, data: None, until: 20, heard: Some(heard) })],
        );
        story
    };
    heard_at(19).is_fine();
    heard_at(20).breaks("S4", "too late");
}

#[test]
fn a_lock_ends_once_and_as_its_life_was() {
    let life = |steps: &[Step]| {
        let mut story = Story::default();
        story.ask(A);
        story.tell(1, A, steps.iter().cloned());
        story
    };
    let ended = Step::Ended;
    for ending in [Ending::Busy { seen: true }, Ending::TimedOut, Ending::Failed] {
        life(&[ended(ending)]).is_fine();
        life(&[grant(1, 9), ended(ending)]).breaks("S4", "Ended(");
        life(&[ended(ending), ended(ending)]).breaks("S4", "after its end");
        life(&[ended(ending), grant(1, 9)]).breaks("S4", "after its end");
    }
    for ending in [Ending::Released, Ending::Unconfirmed, Ending::Cancelled] {
        life(&[grant(1, 9), Step::LetGo, ended(ending)]).is_fine();
        life(&[grant(1, 9), ended(ending)]).breaks("S4", "nobody has let it go");
    }
    life(&[grant(1, 9), ended(Ending::Lost)]).is_fine();
    life(&[ended(Ending::Lost)]).breaks("S4", "never granted");
}

#[test]
fn a_lock_is_asked_for_first_and_once() {
    let mut story = Story::default();
    story.tell(1, A, [grant(1, 9)]);
    story.breaks("S4", "unasked for");
    let mut story = Story::default();
    story.ask(A);
    story.ask(A);
    story.breaks("S4", "asked for twice");
}

#[test]
fn belief_begins_with_a_grant_and_ends_with_a_release_or_a_denial() {
    let trust = Step::Trusted { until: 30 };
    let mut story = Story::default();
    story.ask(A);
    story.tell(1, A, [trust.clone()]);
    story.breaks("S4", "before it was granted");
    for last in [Step::LetGo, Step::Denied] {
        let mut story = Story::default();
        story.ask(A);
        story.tell(1, A, [grant(1, 20), trust.clone(), last]);
        story.is_fine();
        story.tell(2, A, [trust.clone()]);
        story.breaks("S4", "after it was");
    }
}

#[test]
fn a_process_that_crashed_is_told_nothing() {
    let mut story = Story::default();
    story.ask(A);
    story.account.add(1, What::Crashes { who: A.who });
    story.is_fine();
    story.tell(2, A, [Step::Ended(Ending::Failed)]);
    story.breaks("S4", "after a crash");
}

#[test]
fn what_is_released_is_free() {
    Story::released_by_a().is_fine();
    let mut story = Story::held_by_a();
    story.tell(20, A, [Step::LetGo, Step::Ended(Ending::Unconfirmed)]);
    story.is_fine();
    let mut story = Story::held_by_a();
    story.tell(20, A, [Step::LetGo, Step::Ended(Ending::Released)]);
    story.breaks("S4", "the row says otherwise");
}

#[test]
fn what_somebody_else_has_is_not_free() {
    let busy = |asked, seen| {
        let mut story = Story::released_by_a();
        // What the row promises to A is less now.
        story.account.entries.retain(|entry| !matches!(&entry.what, What::Lock { of: A, .. }));
        story.account.bounds = Bounds { granularity: 5, ..Bounds::default() };
        story.tell(asked, B, [Step::Asked { name: name() }, Step::Ended(Ending::Busy { seen })]);
        story
    };
    busy(20, true).is_fine();
    busy(31, true).is_fine();
    busy(32, true).breaks("S4", "the row says otherwise");
    busy(32, false).is_fine();
}

#[test]
fn where_clocks_are_known_to_be_wrong_beliefs_prove_nothing() {
    let mut story = two_beliefs((10, 21), (20, 30));
    story.account.bounds.breached = true;
    story.is_fine();
    story = Story::held_by_a();
    story.account.bounds.breached = true;
    story.tell(30, A, [Step::Trusted { until: 11 + LEASE }]);
    story.is_fine();
    story.write(31, A.who, Deed::Renew, Some(row(2, 2)));
    story.breaks("S3", "what is no grant");
}

#[test]
fn in_the_end_every_lock_has_ended() {
    let mut story = Story::default();
    story.ask(A);
    story.account.add(9, What::Over);
    story.breaks("S4", "no terminal notice");
    story.account.add(8, What::ClockEnds { who: A.who });
    story.is_fine();
    let mut story = Story::default();
    story.ask(A);
    story.tell(1, A, [Step::Ended(Ending::Failed)]);
    story.account.add(9, What::Over);
    story.is_fine();
}

#[test]
fn in_the_end_no_row_stays_held() {
    let ends = |healed, late| {
        let mut story = Story::new();
        let author = Author { who: A.who, sent: 10, late, deed: acquire(None) };
        story.write_sent(10, author, Some(row(1, 1)));
        story.account.add(healed, What::Healed);
        story.account.add(90, What::Over);
        story
    };
    ends(9, false).breaks("L3", "row invoice stays held by w0");
    ends(9, true).is_fine();
    ends(10, false).is_fine();
    let mut story = ends(9, false);
    story.account.add(50, What::Crashes { who: A.who });
    story.is_fine();
    let mut story = ends(9, false);
    story.account.entries.pop();
    story.stranger_writes(80, Some(Record { rvn: Some(Rvn::new(1)), ..row(1, 1) }));
    story.account.add(90, What::Over);
    story.is_fine();
}
