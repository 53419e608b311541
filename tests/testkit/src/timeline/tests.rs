//! A small history made by hand, in which everything is that a picture can show.

use pglock_core::{LockName, Rvn, Statement};

use super::Timeline;
use crate::chronicle::{Chronicle, Fact, Gist, Moment, Told, Written};
use crate::oracle::Broken;
use crate::server::Record;

const MS: u64 = 1_000_000;

/// Two clients; the second takes over while the first still believes.
fn story() -> Vec<(u64, Fact)> {
    let lock = 1;
    let acquire = || Gist { verb: "acquire", names: vec![0] };
    let granted = |token| {
        let row = Record { rvn: Some(Rvn::new(token)), token: Some(token), ..Record::default() };
        vec![Written { name: 0, before: None, after: Some(row) }]
    };
    let statement = Statement::CheckTable;
    let send = |who, flight| {
        let statement = statement.clone();
        Fact::Sends { who, flight, gist: acquire(), statement }
    };
    let hear = |flight, at| Fact::Hears { flight, read_at: at * MS, saw: None };
    let apply = |flight, late, wrote| Fact::Applied { flight, late, wrote };
    let told = |who, token, until| {
        let what = Told::Granted { token, data: None, until };
        Fact::Told { who, lock, what }
    };
    vec![
        (0, Fact::Starts { who: 0, client: 0 }),
        (0, Fact::Starts { who: 1, client: 1 }),
        (1, Fact::Asks { who: 0, lock, name: 0 }),
        (1, send(0, 0)),
        (2, apply(0, false, granted(7))),
        (3, hear(0, 3)),
        (3, told(0, 7, 20 * MS)),
        (4, Fact::Asks { who: 1, lock, name: 0 }),
        (4, send(1, 1)),
        (5, Fact::StandsStill { who: 0, until: 9 * MS }),
        (6, Fact::ServerCrashes),
        (8, send(1, 2)),
        (12, apply(2, true, granted(8))),
        (13, hear(2, 13)),
        (13, told(1, 8, 40 * MS)),
    ]
}

fn drawn(story: Vec<(u64, Fact)>) -> Timeline {
    let moments = story.into_iter().map(|(at, fact)| Moment { at: at * MS, fact }).collect();
    let chronicle = Chronicle {
        names: vec![LockName::new("invoice").unwrap()],
        moments,
        ..Chronicle::default()
    };
    let words = "w0 & w1 both believe".into();
    Timeline::draw(&chronicle, &Broken { by: "O1", words, overlap: Some((13 * MS, 20 * MS)) })
}

#[test]
fn text_has_a_line_for_each_thing_and_a_column_for_each_lane() {
    let text = drawn(story()).text();
    let line = |part: &str| {
        let found = text.lines().find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("{part:?} is missing:\n{text}")).to_owned()
    };
    assert_eq!(
        line("w0 has invoice"),
        " 3.000000 ms   █7  ·  █w0 7    w0 has invoice, token 7, until 20.000000 ms"
    );
    assert_eq!(
        line("w0 stands still"),
        " 5.000000 ms   █7▒ ┊  █w0 7    w0 stands still until 9.000000 ms"
    );
    assert_eq!(line("HERE"), "13.000000 ms ! █7  █8 █w1 8    HERE the rule is broken");
    assert!(line("acquire invoice of w1").contains(", late, runs: invoice held, token 8"));
    assert!(line("until here it is believed").starts_with("20.000000 ms !"));
    assert!(text.ends_with("broken at 13.000000 ms: O1: w0 & w1 both believe\n"), "{text}");
}

#[test]
fn svg_shows_bars_arrows_pauses_and_the_overlap() {
    let svg = drawn(story()).svg();
    let count = |part: &str| svg.matches(part).count();
    assert_eq!(count("class=\"belief\""), 2, "{svg}");
    assert_eq!(count("class=\"wait\""), 2);
    assert_eq!(count("class=\"held\""), 2);
    assert_eq!(count("class=\"still\""), 1);
    assert_eq!(count("class=\"lost\""), 1, "the statement that never ran");
    assert_eq!(count("class=\"hollow\""), 1, "the statement that ran late");
    assert_eq!(count("class=\"overlap\""), 1);
    assert!(svg.contains("<title>invoice #7, 3.000000 ms to 20.000000 ms</title>"));
    assert!(svg.contains("O1: w0 &amp; w1 both believe"));
    assert!(svg.contains("role=\"img\"") && svg.contains("prefers-color-scheme"));
    assert_eq!(count("<g"), count("</g>"));
}

#[test]
fn many_events_are_still_told_apart() {
    let many = (20..520).map(|at| (at, Fact::ServerCrashes));
    let timeline = drawn(story().into_iter().chain(many).collect());
    assert!(timeline.text().lines().count() > 515);
    let width = timeline.svg();
    let width = width.split("width=\"").nth(1).and_then(|rest| rest.split('"').next());
    assert!(width.and_then(|width| width.parse::<u32>().ok()).is_some_and(|width| width < 20_000));
}
