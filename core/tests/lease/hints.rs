//! Hand-over: a waiter listens, lines up, and asks at once when the lock is handed over to it.

use pglock_core::{
    Command, Config, Event, LineUp, Outcome, Rvn, SessionId, Statement, Value, Wait,
};

use crate::rig::{
    Door, Rig, Seen, acquire, error, failed, foreign, foreign_ticket, granted, held_row, lined_up,
    looks, millis, name_of, refused, release_of, secs,
};

fn rig() -> Rig {
    Rig::with(Config::default())
}

fn line_up(command: &Command) -> &LineUp {
    match command.statement() {
        Statement::LineUp(line_up) => line_up,
        other => panic!("{other:?}"),
    }
}

/// The client asks for a lock that somebody holds under this number.
fn waits_for(rig: &mut Rig, rvn: Rvn) {
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.rows(&first, vec![refused(rvn, 20_000)]);
}

/// Somebody else holds the lock under this number; the client waits and listens. Answers the session, and with
/// what it lines up.
fn listening(rig: &mut Rig, rvn: Rvn) -> (SessionId, Command) {
    waits_for(rig, rvn);
    rig.waiting();
    let listen = rig.command();
    assert_eq!(listen.statement(), &Statement::Listen);
    rig.rows(&listen, vec![]);
    let line_up = rig.command();
    (listen.session(), line_up)
}

/// The client waits in line; nothing is to be done. Answers the session, and its ticket.
fn in_line(rig: &mut Rig) -> (SessionId, Rvn) {
    let (session, command) = listening(rig, foreign(1));
    let ticket = line_up(&command).ticket;
    rig.rows(&command, vec![lined_up(foreign(1), 1)]);
    rig.no_command();
    (session, ticket)
}

fn payload(ticket: Rvn) -> String {
    format!("{} a", ticket.as_i64())
}

#[test]
fn a_waiter_listens_lines_up_and_asks_when_it_is_told() {
    let mut rig = rig();
    let (session, command) = listening(&mut rig, foreign(1));
    assert_ne!(session, command.session());
    let LineUp { name, mine, ticket, lock_timeout } = line_up(&command).clone();
    assert_eq!((name, mine, lock_timeout), (name_of("a"), vec![ticket], secs(2)));
    assert!(ticket.is_ticket());
    rig.rows(&command, vec![lined_up(foreign(1), 1)]);
    rig.no_command();
    rig.client.handle_notification(session, &payload(ticket), rig.now);
    let asked = rig.command();
    assert_eq!(acquire(&asked).seen, None);
    assert_eq!(acquire(&asked).mine, [ticket, acquire(&asked).new]);
    rig.rows(&asked, vec![granted(&asked, 10)]);
    let lock = rig.last();
    rig.acquired(lock, 10);
    rig.client.release(lock, rig.now).unwrap();
    let release = rig.command();
    assert_eq!(release_of(&release).mine, [acquire(&asked).new], "the ticket has left the line");
}

#[test]
fn without_hints_nobody_listens() {
    let mut rig = Rig::new();
    waits_for(&mut rig, foreign(1));
    rig.no_command();
    assert_eq!(rig.opened.len(), 1);
}

#[test]
fn nobody_listens_who_does_not_wait() {
    let mut rig = rig();
    rig.hold("b");
    rig.ask("a", Wait::Probe);
    let first = rig.command();
    rig.rows(&first, vec![refused(foreign(1), 20_000)]);
    rig.no_command();
}

#[test]
fn who_waits_in_line_looks_on_and_lines_up_again_if_it_has_lost_its_place() {
    let mut rig = rig();
    let (_, ticket) = in_line(&mut rig);
    let before = rig.now;
    let look = rig.until_command();
    assert!(looks(&look) && rig.now.since(before) <= millis(500));
    rig.rows(&look, vec![lined_up(foreign(2), 2)]);
    rig.no_command();
    let look = rig.until_command();
    rig.rows(&look, vec![lined_up(foreign(3), 0)]);
    let again = rig.command();
    assert_ne!(line_up(&again).ticket, ticket, "no number comes twice");
    assert_eq!(line_up(&again).mine, [ticket, line_up(&again).ticket]);
}

/// A release between the look and lining up is not missed.
#[test]
fn who_lines_up_at_a_free_row_asks_for_it() {
    let mut rig = rig();
    let (_, command) = listening(&mut rig, foreign(1));
    let mut row = held_row(foreign(1), 20_000);
    row.0[1] = Value::Null;
    rig.rows(&command, vec![row]);
    let asked = rig.command();
    assert_eq!(acquire(&asked).mine, [acquire(&asked).new], "it does not wait in line");
}

#[test]
fn a_row_that_moves_while_one_lines_up_is_asked_again() {
    let mut rig = rig();
    let (_, command) = listening(&mut rig, foreign(1));
    rig.rows(&command, vec![]);
    assert_eq!(acquire(&rig.command()).seen, None);
}

#[test]
fn where_too_many_wait_one_looks_before_the_next_try() {
    let mut rig = rig();
    let (_, command) = listening(&mut rig, foreign(1));
    rig.rows(&command, vec![lined_up(foreign(1), 0)]);
    rig.no_command();
    let again = rig.until_command();
    assert_eq!(line_up(&again).mine, [line_up(&again).ticket]);
}

#[test]
fn who_hears_of_nothing_lines_up_where_others_do() {
    let mut rig = Rig::new();
    waits_for(&mut rig, foreign(1));
    let look = rig.until_command();
    rig.rows(&look, vec![held_row(foreign(1), 20_000)]);
    let look = rig.until_command();
    rig.rows(&look, vec![lined_up(foreign(1), 0)]);
    let command = rig.command();
    let ticket = line_up(&command).ticket;
    rig.rows(&command, vec![lined_up(foreign(1), 2)]);
    let look = rig.until_command();
    rig.rows(&look, vec![held_row(ticket, 20_000)]);
    assert_eq!(acquire(&rig.command()).mine.first(), Some(&ticket));
}

#[test]
fn lining_up_without_an_answer_does_not_keep_the_waiter_from_asking() {
    for (outcome, remembered) in [(Outcome::Lost, true), (failed("55P03"), false)] {
        let mut rig = rig();
        let (_, command) = listening(&mut rig, foreign(1));
        rig.answer(&command, outcome);
        let again = rig.until_command();
        let ticket = line_up(&command).ticket;
        assert_eq!(line_up(&again).mine.contains(&ticket), remembered);
    }
}

/// Its grant, whose reply was lost, is not what it waits for.
#[test]
fn nobody_lines_up_behind_itself() {
    let mut rig = rig();
    in_line(&mut rig);
    let look = rig.until_command();
    let mut row = lined_up(foreign(1), 1);
    row.0[1] = Value::Null;
    rig.rows(&look, vec![row]);
    let lost = rig.command();
    rig.answer(&lost, Outcome::Lost);
    let again = rig.until_command();
    let mut row = refused(foreign(2), 20_000);
    row.0[0] = Value::Bool(false);
    rig.rows(&again, vec![row]);
    rig.events();
    let look = rig.until_command();
    rig.rows(&look, vec![lined_up(foreign(2), 0)]);
    let command = rig.command();
    assert!(line_up(&command).mine.contains(&acquire(&lost).new));
    rig.rows(&command, vec![held_row(acquire(&lost).new, 20_000)]);
    let settles = rig.command();
    assert!(acquire(&settles).mine.contains(&acquire(&lost).new));
    assert!(!acquire(&settles).mine.contains(&line_up(&command).ticket), "it waits nowhere");
}

/// The notification of a release may overtake the answer to what was sent before it.
#[test]
fn a_hint_counts_for_what_is_on_its_way() {
    let mut rig = rig();
    let (session, command) = listening(&mut rig, foreign(1));
    rig.client.handle_notification(session, &payload(line_up(&command).ticket), rig.now);
    rig.no_command();
    rig.rows(&command, vec![lined_up(foreign(1), 1)]);
    assert_eq!(acquire(&rig.command()).seen, None);
}

#[test]
fn a_hint_too_many_costs_one_try() {
    let mut rig = rig();
    let (session, ticket) = in_line(&mut rig);
    rig.client.handle_notification(session, &payload(ticket), rig.now);
    let asked = rig.command();
    rig.rows(&asked, vec![refused(foreign(1), 20_000)]);
    let again = rig.command();
    rig.rows(&again, vec![lined_up(foreign(1), 1)]);
    rig.no_command();
    assert!(looks(&rig.until_command()));
}

/// Whoever has the lock handed over holds nothing yet.
#[test]
fn a_lock_that_nobody_comes_for_is_taken_after_two_polls() {
    let mut rig = rig();
    in_line(&mut rig);
    let look = rig.until_command();
    let seen_at = rig.now;
    rig.rows(&look, vec![lined_up(foreign_ticket(5), 1)]);
    rig.no_command();
    let take_over = loop {
        let command = rig.until_command();
        if !looks(&command) {
            break command;
        }
        rig.rows(&command, vec![lined_up(foreign_ticket(5), 1)]);
    };
    assert_eq!(rig.now.since(seen_at), secs(1));
    assert_eq!(acquire(&take_over).seen, Some(foreign_ticket(5)));
}

/// It is neither held nor free: a try waits until that is settled.
#[test]
fn a_try_sees_whether_somebody_comes_for_a_lock_that_was_handed_over() {
    let (mut comes, mut stays_away) = (rig(), rig());
    for rig in [&mut comes, &mut stays_away] {
        rig.ask("a", Wait::Try);
        let first = rig.command();
        rig.rows(&first, vec![refused(foreign_ticket(5), 20_000)]);
        rig.no_command();
    }
    let look = comes.until_command();
    comes.rows(&look, vec![held_row(foreign(2), 7_000)]);
    let (_, holder) = comes.busy();
    assert_eq!(holder.and_then(|Seen { owner, .. }| owner).as_deref(), Some("other"));
    let before = stays_away.now;
    let take_over = stays_away.until_acquire(foreign_ticket(5), 20_000);
    assert_eq!(acquire(&take_over).seen, Some(foreign_ticket(5)));
    assert_eq!(stays_away.now.since(before), secs(1));
}

/// The row still tells of the last holder.
#[test]
fn nobody_is_told_of_a_holder_while_the_lock_is_handed_over() {
    let mut rig = rig();
    rig.ask("a", Wait::AtMost(millis(300)));
    let first = rig.command();
    rig.rows(&first, vec![refused(foreign_ticket(5), 20_000)]);
    rig.command();
    let Event::TimedOut { holder: Some(holder), .. } = rig.until_event() else { panic!() };
    let Seen { owner, token, lease, .. } = Seen::of(holder);
    assert_eq!((owner, token, lease), (None, None, secs(1)));
}

/// It would have to be waited for in vain when its turn comes.
#[test]
fn whoever_gives_up_leaves_the_line() {
    let mut rig = rig();
    let (_, ticket) = in_line(&mut rig);
    let lock = rig.last();
    rig.client.cancel(lock, rig.now).unwrap();
    rig.events();
    let leave = rig.command();
    assert_eq!(release_of(&leave).mine, [ticket]);
    assert!(release_of(&leave).keep_data);
    rig.rows(&leave, vec![]);
    rig.no_command();
}

#[test]
fn what_is_told_to_others_changes_nothing() {
    let mut rig = rig();
    let (session, ticket) = in_line(&mut rig);
    let number = ticket.as_i64();
    for payload in [format!("{} a", number ^ 1), format!("{number} b"), "a".into(), String::new()] {
        rig.client.handle_notification(session, &payload, rig.now);
        rig.no_command();
    }
    rig.client.handle_disconnected(session, None, rig.now);
    rig.client.handle_notification(session, &payload(ticket), rig.now);
    assert!(rig.commands.is_empty());
}

#[test]
fn a_go_client_tells_nobody_and_nobody_lines_up_for_its_row() {
    let mut rig = rig();
    waits_for(&mut rig, Rvn::new(5));
    rig.waiting();
    let listen = rig.command();
    rig.rows(&listen, vec![]);
    assert!(looks(&rig.command()));
}

/// A pooler, or a standby, cannot tell: the waiter looks, and asks again some seconds later.
#[test]
fn who_is_not_told_looks_and_asks_again_later() {
    let mut rig = rig();
    waits_for(&mut rig, foreign(1));
    rig.waiting();
    let listen = rig.command();
    rig.answer(&listen, Outcome::Failed(error("0A000")));
    let before = rig.now;
    loop {
        let command = rig.until_command();
        if command.statement() == &Statement::Listen {
            break;
        }
        assert!(looks(&command));
        rig.rows(&command, vec![held_row(foreign(1), 20_000)]);
    }
    let pause = rig.now.since(before);
    assert!(pause >= millis(2_500) && pause <= secs(5), "{pause:?}");
}

/// There is no connection left to be had: nobody asks for one all the time.
#[test]
fn a_session_that_cannot_be_opened_is_asked_for_again_later() {
    let mut rig = rig();
    rig.ask("a", Wait::ForEver);
    let first = rig.command();
    rig.door = Door::Shut(Some(error("53300")));
    rig.rows(&first, vec![refused(foreign(1), 20_000)]);
    rig.waiting();
    rig.no_command();
    let opened = rig.opened.len();
    let before = rig.now;
    while rig.opened.len() == opened {
        let look = rig.until_command();
        assert!(looks(&look));
        rig.rows(&look, vec![held_row(foreign(1), 20_000)]);
    }
    let pause = rig.now.since(before);
    assert!(pause >= millis(2_500) && pause <= secs(5), "{pause:?}");
    rig.door = Door::Open;
    while rig.until_command().statement() != &Statement::Listen {}
}

/// What was released while nobody listened was told to nobody.
#[test]
fn a_session_that_is_lost_is_opened_again_and_the_row_is_asked_at_once() {
    let mut rig = rig();
    let (session, _) = in_line(&mut rig);
    rig.client.handle_disconnected(session, None, rig.now);
    let listen = rig.command();
    assert_eq!(listen.statement(), &Statement::Listen);
    assert_ne!(listen.session(), session);
    rig.rows(&listen, vec![]);
    assert!(looks(&rig.command()));
}

#[test]
fn whoever_holds_or_has_given_up_is_not_woken() {
    let mut rig = rig();
    let (session, ticket) = in_line(&mut rig);
    let lock = rig.last();
    rig.client.cancel(lock, rig.now).unwrap();
    rig.events();
    let leave = rig.command();
    rig.client.handle_notification(session, &payload(ticket), rig.now);
    rig.no_command();
    rig.rows(&leave, vec![]);
    rig.hold("a");
    rig.client.handle_notification(session, &payload(ticket), rig.now);
    rig.no_command();
}
