//! Questions: asked, asked again, given up, answered; one test for each transition, with exact outputs.

use pglock_core::{
    AdvisoryClaim, AdvisoryMode, Answer, AskError, Entry, Event, Failure, Outcome, Question,
    QuestionId, Read, Row, ServerError, Severity, Statement, Value, Wait,
};

use crate::rig::{Door, Rig, acquire, entry_row, error, failed, foreign, millis, name_of, secs};

fn get() -> Question {
    Question::Get(name_of("a"))
}

fn ask(rig: &mut Rig, question: Question) -> QuestionId {
    rig.client.ask(question, rig.now).unwrap()
}

fn unreachable(question: QuestionId, trouble: Option<ServerError>) -> Event {
    Event::Answered { question, answer: Err(Failure::Unreachable(trouble)) }
}

fn refused(question: QuestionId, code: &str) -> Event {
    Event::Answered { question, answer: Err(Failure::Server(error(code))) }
}

/// Asks, answers, and gives what came of it.
fn answer_to(question: Question, rows: Vec<Row>) -> Result<Answer, Failure> {
    let mut rig = Rig::new();
    let id = ask(&mut rig, question);
    let command = rig.command();
    rig.rows(&command, rows);
    let Event::Answered { question, answer } = rig.event() else { panic!() };
    assert_eq!(question, id);
    rig.no_command();
    answer
}

fn entries_of(question: Question, rows: Vec<Row>) -> Vec<Entry> {
    match answer_to(question, rows) {
        Ok(Answer::Entries(entries)) => entries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_question_has_its_statement() {
    let list = |prefix: &str| Question::List { prefix: prefix.into() };
    let statements = [
        (get(), Statement::Read(Read::One(name_of("a")))),
        (list("a"), Statement::Read(Read::All { prefix: "a".into() })),
        (Question::CreateTable, Statement::CreateTable),
        (Question::CheckTable, Statement::CheckTable),
        (Question::DropTable, Statement::DropTable),
        (Question::AdvisoryHolders(1.into()), Statement::AdvisoryHolders(1.into())),
    ];
    for (question, statement) in statements {
        let mut rig = Rig::new();
        ask(&mut rig, question);
        assert_eq!(rig.command().statement(), &statement);
    }
}

#[test]
fn a_row_is_read_as_it_stands() {
    let entries = entries_of(get(), vec![entry_row(foreign(1), 7_000)]);
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.name.as_str(), entry.rvn), ("a", Some(foreign(1))));
    assert_eq!((entry.owner.as_deref(), entry.lease), (Some("other"), Some(secs(7))));
    assert_eq!((entry.data.as_deref(), entry.token.map(|token| token.as_i64())), (None, Some(9)));
    assert!(entry.is_held());
}

#[test]
fn a_row_of_another_program_is_read_too() {
    let data = Value::Bytea(b"data".to_vec());
    let name = Value::Text(String::new());
    let row = Row(vec![name, Value::Null, Value::Null, Value::Int8(0), data, Value::Null]);
    let entries = entries_of(get(), vec![row]);
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((entry.name.as_str(), entry.rvn, entry.owner.as_deref()), ("", None, None));
    assert_eq!((entry.lease, entry.data.as_deref()), (None, Some(b"data".as_slice())));
    assert_eq!(entry.token, None);
    assert!(!entry.is_held());
}

#[test]
fn a_list_keeps_the_order_of_the_rows() {
    let row = |name: &str| {
        let mut row = entry_row(foreign(1), 7_000);
        row.0[0] = Value::Text(name.into());
        row
    };
    let entries = entries_of(Question::List { prefix: String::new() }, vec![row("b"), row("a")]);
    let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
}

#[test]
fn no_row_is_an_answer() {
    assert_eq!(answer_to(get(), vec![]), Ok(Answer::Entries(vec![])));
}

#[test]
fn work_on_the_table_is_done_whatever_rows_come() {
    let rows = || vec![Row(vec![Value::Null])];
    assert_eq!(answer_to(Question::CreateTable, rows()), Ok(Answer::Done));
    assert_eq!(answer_to(Question::DropTable, vec![]), Ok(Answer::Done));
}

#[test]
fn a_check_reports_what_is_missing() {
    let Ok(Answer::Table(report)) = answer_to(Question::CheckTable, vec![]) else { panic!() };
    assert!(!report.exists);
    let problems: Vec<_> = report.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(problems, [r#"there is no table "locks""#]);
}

fn claims_of(rows: Vec<Row>) -> Vec<AdvisoryClaim> {
    match answer_to(Question::AdvisoryHolders(1.into()), rows) {
        Ok(Answer::AdvisoryClaims(claims)) => claims,
        other => panic!("{other:?}"),
    }
}

fn claim_row(held: bool, waits_for: Value, waited: Value) -> Row {
    let text = |text: &str| Value::Text(text.into());
    let session = ["", "ann", "10.0.0.7", "active"].map(text);
    let claim = [Value::Int8(4711), Value::Bool(!held), Value::Bool(held), waits_for, waited];
    claim.into_iter().chain(session).collect()
}

#[test]
fn holders_and_waiters_are_told_as_the_server_shows_them() {
    let holder = claim_row(true, Value::Null, Value::Null);
    let waiter = claim_row(false, Value::Text("17 0 17".into()), Value::Int8(1_500));
    let claims = claims_of(vec![holder, waiter]);
    let [holder, waiter] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!((holder.pid, holder.mode), (Some(4711), AdvisoryMode::Exclusive));
    assert!(holder.is_held());
    assert_eq!((holder.application_name.as_deref(), holder.user.as_deref()), (None, Some("ann")));
    assert_eq!(holder.client_address.as_deref(), Some("10.0.0.7"));
    assert_eq!(holder.state.as_deref(), Some("active"));
    let wait = waiter.waiting.as_ref().unwrap();
    assert_eq!((waiter.mode, waiter.is_held()), (AdvisoryMode::Shared, false));
    assert_eq!((&wait.waits_for[..], wait.waited), (&[17, 0, 17][..], Some(millis(1_500))));
}

/// A prepared transaction, and a session of another role; a clock that was set back, and a wait that is over.
#[test]
fn what_cannot_be_seen_of_a_session_is_left_out() {
    let hidden = [Value::Null, Value::Bool(false), Value::Bool(true)];
    let hidden = hidden.into_iter().chain(std::iter::repeat_n(Value::Null, 6)).collect();
    let set_back = claim_row(false, Value::Text(String::new()), Value::Int8(-3));
    let claims = claims_of(vec![hidden, set_back, claim_row(false, Value::Null, Value::Null)]);
    let [hidden, set_back, over] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!((hidden.pid, hidden.user.as_deref(), hidden.state.as_deref()), (None, None, None));
    let wait = |claim: &AdvisoryClaim| claim.waiting.clone().map(|it| (it.waits_for, it.waited));
    assert_eq!(wait(set_back), Some((vec![], Some(secs(0)))));
    assert_eq!(wait(over), Some((vec![], None)));
}

#[test]
fn unreadable_rows_are_told_as_such() {
    let one_bad = vec![entry_row(foreign(1), 7_000), Row(vec![])];
    assert_eq!(answer_to(get(), one_bad), Err(Failure::Undecodable));
    let held = || claim_row(true, Value::Null, Value::Null);
    let unknown_process = claim_row(false, Value::Text("x".into()), Value::Null);
    let mut too_large = held();
    too_large.0[0] = Value::Int8(i64::MAX);
    for bad in [entry_row(foreign(1), 7_000), unknown_process, too_large] {
        let answer = answer_to(Question::AdvisoryHolders(1.into()), vec![held(), bad]);
        assert_eq!(answer, Err(Failure::Undecodable));
    }
    assert_eq!(answer_to(Question::CheckTable, vec![Row(vec![])]), Err(Failure::Undecodable));
}

#[test]
fn errors_that_pass_are_asked_again_and_not_told() {
    let codes = ["40001", "55P03", "57014", "53200", "57P01", "08006", "XX000", "26000"];
    for outcome in codes.map(failed).into_iter().chain([Outcome::Lost]) {
        let mut rig = Rig::new();
        let question = ask(&mut rig, get());
        let command = rig.command();
        rig.answer(&command, outcome);
        let again = rig.command();
        assert_eq!((again.statement(), rig.events()), (command.statement(), vec![]));
        rig.rows(&again, vec![]);
        let answer = Ok(Answer::Entries(vec![]));
        assert_eq!(rig.event(), Event::Answered { question, answer });
    }
}

#[test]
fn the_pauses_between_askings_grow() {
    let mut rig = Rig::new();
    ask(&mut rig, get());
    let command = rig.command();
    rig.answer(&command, failed("40001"));
    let mut failed_at = rig.now;
    let again = rig.command();
    rig.answer(&again, failed("40001"));
    for whole in [50, 100, 200, 400, 800, 1_600] {
        let command = rig.until_command();
        let pause = rig.now.since(failed_at);
        assert!(pause >= millis(whole) / 2 && pause <= millis(whole), "{pause:?} of {whole} ms");
        rig.answer(&command, failed("40001"));
        failed_at = rig.now;
    }
}

#[test]
fn an_error_for_good_is_told_at_once() {
    for code in ["42P01", "42501", "25006"] {
        let mut rig = Rig::new();
        let question = ask(&mut rig, get());
        let command = rig.command();
        rig.answer(&command, failed(code));
        assert_eq!(rig.event(), refused(question, code));
        rig.no_command();
    }
}

#[test]
fn a_session_that_cannot_answer_is_closed_and_another_asked() {
    let mut rig = Rig::new();
    ask(&mut rig, get());
    let command = rig.command();
    rig.answer(&command, failed("26000"));
    let again = rig.command();
    assert_eq!(rig.closed, [command.session()]);
    assert_ne!(again.session(), command.session());
}

#[test]
fn patience_ends_with_the_servers_last_trouble() {
    let mut rig = Rig::new();
    let question = ask(&mut rig, get());
    let start = rig.now;
    for code in ["40001", "53200"] {
        let command = rig.until_command();
        rig.answer(&command, failed(code));
    }
    let command = rig.until_command();
    rig.answer(&command, Outcome::Lost);
    rig.door = Door::Shut(None);
    assert_eq!(rig.until_event(), unreachable(question, Some(error("53200"))));
    assert_eq!(rig.now.since(start), secs(10));
    rig.no_command();
}

#[test]
fn patience_ends_with_the_trouble_of_connecting() {
    let mut rig = Rig::new();
    let full = ServerError { severity: Severity::Fatal, ..error("53300") };
    rig.door = Door::Shut(Some(full.clone()));
    let question = ask(&mut rig, get());
    assert_eq!(rig.until_event(), unreachable(question, Some(full)));
}

#[test]
fn a_question_without_a_reply_is_given_up_and_a_late_answer_is_nobodys() {
    let mut rig = Rig::new();
    let question = ask(&mut rig, get());
    let start = rig.now;
    let first = rig.command();
    let again = rig.until_command();
    assert_eq!(rig.now.since(start), secs(5), "a silent connection costs one reply deadline");
    assert_eq!(rig.until_event(), unreachable(question, None));
    assert_eq!(rig.now.since(start), secs(10));
    assert_eq!(rig.closed, [first.session(), again.session()]);
    for command in [first, again] {
        rig.rows(&command, vec![]);
    }
    assert_eq!(rig.events(), []);
    assert_eq!(rig.client.counters().ignored_outcomes, 2);
}

#[test]
fn each_question_has_its_own_patience() {
    let mut rig = Rig::new();
    rig.door = Door::Shut(None);
    let first = ask(&mut rig, get());
    rig.pass(secs(4));
    let second = ask(&mut rig, Question::CheckTable);
    let start = rig.now;
    assert_eq!(rig.until_event(), unreachable(first, None));
    assert_eq!(rig.now.since(start), secs(6));
    assert_eq!(rig.until_event(), unreachable(second, None));
    assert_eq!(rig.now.since(start), secs(10));
}

#[test]
fn what_has_been_due_for_longer_is_asked_first() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    let question = ask(&mut rig, get());
    rig.pass(millis(1));
    rig.ask("b", Wait::ForEver);
    rig.pass(millis(1));
    let (session, _) = rig.opened[0];
    rig.client.handle_connected(session, rig.now);
    let command = rig.command();
    assert_eq!(command.statement(), &Statement::Read(Read::One(name_of("a"))));
    rig.rows(&command, vec![]);
    let answer = Ok(Answer::Entries(vec![]));
    assert_eq!(rig.event(), Event::Answered { question, answer });
}

#[test]
fn a_shut_down_ends_every_question_and_takes_no_more() {
    let mut rig = Rig::new();
    let on_its_way = ask(&mut rig, get());
    let command = rig.command();
    rig.door = Door::Silent;
    let unasked = ask(&mut rig, Question::CheckTable);
    rig.client.shut_down(rig.now);
    let told = [unreachable(on_its_way, None), unreachable(unasked, None)];
    assert_eq!(rig.events(), told);
    assert_eq!(rig.client.ask(get(), rig.now), Err(AskError::ShuttingDown));
    assert_eq!(rig.closed, [], "no connection is closed under a statement");
    rig.rows(&command, vec![]);
    assert_eq!(rig.events(), []);
    assert!(rig.client.is_shut_down());
}

#[test]
fn each_question_is_asked_once() {
    let mut rig = Rig::new();
    for question in [get(), Question::CheckTable] {
        ask(&mut rig, question);
    }
    rig.drain();
    let asked: Vec<_> = rig.commands.iter().map(pglock_core::Command::statement).collect();
    assert_eq!(asked, [&Statement::Read(Read::One(name_of("a"))), &Statement::CheckTable]);
}

#[test]
fn a_lock_that_is_due_as_early_goes_first() {
    let mut rig = Rig::new();
    rig.door = Door::Silent;
    ask(&mut rig, get());
    rig.ask("b", Wait::ForEver);
    rig.drain();
    let (session, _) = rig.opened[0];
    rig.client.handle_connected(session, rig.now);
    assert_eq!(acquire(&rig.command()).name, name_of("b"));
}
