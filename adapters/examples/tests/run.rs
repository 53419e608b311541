//! Each example does what its page says, against a real server.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use pglock_tests::{Private, Server};

/// What an example says, given a database of its own.
fn said_by(program: &str) -> String {
    said_at(Server::shared().database().url(), program)
}

fn said_at(url: &str, program: &str) -> String {
    let output = Command::new(program).env("DATABASE_URL", url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The parts stand in the text, in this order.
fn assert_in_order(text: &str, parts: &[&str]) {
    parts.iter().fold(text, |rest, part| {
        let (_, after) = rest.split_once(part).unwrap_or_else(|| panic!("no {part:?} in {text}"));
        after
    });
}

/// All lines of a folder, and of those in it.
fn lines_in(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let lines = entries.map(|path| match path.extension().and_then(OsStr::to_str) {
        None => lines_in(&path),
        Some("rs" | "mjs") => std::fs::read_to_string(path).unwrap().lines().count(),
        Some(_) => 0,
    });
    lines.sum()
}

#[test]
fn the_page_counts_right() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(here.join("README.md")).unwrap();
    let counted = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, name, _, _, lines, _] = cells[..] else { return None };
        Some((name.trim_matches('`').to_owned(), lines.parse::<usize>().ok()?))
    });
    let counted: Vec<_> = counted.collect();
    assert_eq!(counted.len(), 5, "{counted:?}");
    for (name, lines) in counted {
        let folder = if name == "wasm" { name.clone() } else { format!("src/bin/{name}") };
        assert_eq!(lines_in(&here.join(folder)), lines, "{name}");
    }
}

const BY_HAND: &str = env!("CARGO_BIN_EXE_by_hand");
const HANDED_OVER: [&str; 5] =
    ["ada: Acquired", "bob: Waiting", "ada: Released", "bob: Acquired", "bob: Released"];

#[test]
fn by_hand() {
    assert_in_order(&said_by(BY_HAND), &HANDED_OVER);
}

#[test]
fn by_hand_with_a_password() {
    let server = Private::new();
    let database = server.database();
    database.execute(
        "CREATE ROLE app LOGIN PASSWORD 'right' SUPERUSER;
         DO $$ BEGIN EXECUTE format(
             'COPY (VALUES (''host all postgres all trust''), (''host all all all scram-sha-256'')) TO %L',
             current_setting('hba_file')); END $$;
         SELECT pg_reload_conf()",
    );
    let url = |password: &str| database.url().replace("postgres@", &format!("app:{password}@"));
    assert_in_order(&said_at(&url("right"), BY_HAND), &HANDED_OVER);
    let refused = Command::new(BY_HAND).env("DATABASE_URL", url("wrong")).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("28P01"), "{refused:?}");
}

#[test]
fn game_loop() {
    let said = said_by(env!("CARGO_BIN_EXE_game_loop"));
    for player in ["red", "blue"] {
        let rounds = [1, 2, 3].map(|n| format!("{player} fights round {n}, 1 in the arena\n"));
        assert_in_order(&said, &rounds.each_ref().map(String::as_str));
    }
    assert_in_order(&said, &["over after"]);
}

#[test]
fn scheduler() {
    let folder = std::env::temp_dir().join(format!("pglock-scheduler-{}", std::process::id()));
    let scheduler = Command::new(env!("CARGO_BIN_EXE_scheduler")).arg(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&scheduler.stdout);
    assert!(scheduler.status.success(), "{said}{}", String::from_utf8_lossy(&scheduler.stderr));
    let found =
        ["notes: begins", "HERE", "but does not hold it any more", "drawn in", "mended, it passes"];
    assert_in_order(&said, &found);
    let picture = std::fs::read_to_string(folder.join("timeline.svg")).unwrap();
    assert!(picture.contains("works on nightly under token"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn over_http() {
    let said = said_by(env!("CARGO_BIN_EXE_over_http"));
    assert_in_order(&said, &["held under token 1", "busy", "handed over under token 2", "pooler"]);
}
