//! `pglock run`: what the command gets, and what comes back.

use std::net::TcpListener;

use nix::sys::signal::Signal;
use pglock_tests::Server;

use crate::rig::{Running, eventually, holder, on, pglock, said};

const BUSY: i32 = 110;
const TIMED_OUT: i32 = 111;
const NO_SERVER: i32 = 113;
const USAGE: i32 = 115;

#[test]
fn the_command_runs_under_the_lock_and_its_exit_code_comes_back() {
    let database = Server::shared().database();
    let script = r#"echo "$PGLOCK_NAME $PGLOCK_TOKEN $PGLOCK_OWNER"; "$0" show a; exit 7"#;
    let program = env!("CARGO_BIN_EXE_pglock");
    let said =
        said(&mut on(&database, &["run", "a", "--owner", "me", "--", "sh", "-c", script, program]));
    assert_eq!(said.code, 7, "{said:?}");
    let mut lines = said.out.lines();
    assert_eq!(lines.next(), Some("a 1 me"));
    assert!(said.out.contains("held by        me"), "{said:?}");
    let after = crate::rig::said(&mut on(&database, &["show", "a"]));
    assert!(after.out.contains("nobody; last me"), "{after:?}");
}

#[test]
fn a_signal_that_ends_the_command_is_in_the_code() {
    let database = Server::shared().database();
    let said = said(&mut on(&database, &["run", "a", "--", "sh", "-c", "kill -9 $$"]));
    assert_eq!(said.code, 128 + 9, "{said:?}");
}

/// All that are passed on, except those that stop and continue what does not listen.
#[test]
fn signals_reach_the_command() {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
    let database = Server::shared().database();
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2] {
        let name = signal.as_str().trim_start_matches("SIG");
        // Other commands of the script end by the signal, which is no reason to dump core.
        let script = format!("ulimit -c 0; trap 'echo heard {name}; exit 3' {name}");
        let (mut running, _) = holder(&database, "a", &[], &script);
        // A shell that is about to start its next command may hear a signal only after that has ended.
        eventually("the program ends", || {
            running.signal(signal);
            running.has_ended()
        });
        running.says(&format!("heard {name}"));
        assert_eq!(running.code(), 3, "{signal}");
    }
}

#[test]
fn a_try_that_finds_a_holder_is_busy() {
    let database = Server::shared().database();
    let (_holder, _) = holder(&database, "a", &["--owner", "ann"], ":");
    let busy = said(&mut on(&database, &["run", "a", "--try", "--", "echo", "ran"]));
    assert_eq!((busy.code, busy.out.as_str()), (BUSY, ""), "{busy:?}");
    assert_eq!(busy.err, "pglock: busy: held by ann (token 1)\n");
    let quiet = said(&mut on(&database, &["run", "a", "--try", "--quiet", "--", "echo", "ran"]));
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (BUSY, "", ""));
}

#[test]
fn a_probe_that_sees_a_sign_of_life_is_busy() {
    let database = Server::shared().database();
    let (_holder, _) = holder(&database, "a", &["--lease", "8s"], ":");
    let said = said(&mut on(&database, &["run", "a", "--probe", "--quiet", "--", "echo", "ran"]));
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (BUSY, "", ""));
}

#[test]
fn the_time_to_wait_passes() {
    let database = Server::shared().database();
    let (_holder, _) = holder(&database, "a", &["--owner", "ann"], ":");
    let said = said(&mut on(&database, &["run", "a", "--wait", "300ms", "--", "echo", "ran"]));
    assert_eq!((said.code, said.out.as_str()), (TIMED_OUT, ""), "{said:?}");
    assert!(said.err.contains("timed out: held by ann"), "{said:?}");
}

#[test]
fn a_waiter_says_for_whom_and_gets_the_lock_after_the_release() {
    let database = Server::shared().database();
    let (mut first, _) = holder(&database, "a", &["--owner", "ann"], ":");
    let mut second = Running::start(&mut on(&database, &["run", "a", "--", "echo", "ran"]));
    assert_eq!(second.warns("waiting"), "pglock: waiting for a: held by ann (token 1)");
    drop(first.child.stdin.take());
    assert_eq!(first.code(), 0);
    second.says("ran");
    assert_eq!(second.code(), 0);
}

#[test]
fn a_waiter_that_is_interrupted_leaves_nothing_behind() {
    let database = Server::shared().database();
    let (mut first, _) = holder(&database, "a", &[], ":");
    let mut second = Running::start(&mut on(&database, &["run", "a", "--", "echo", "ran"]));
    second.warns("waiting");
    second.signal(Signal::SIGINT);
    assert_eq!(second.code(), 128 + 2);
    drop(first.child.stdin.take());
    assert_eq!(first.code(), 0);
    assert_eq!(said(&mut on(&database, &["run", "a", "--try", "--", "true"])).code, 0);
}

#[test]
fn a_command_that_cannot_be_run_has_its_own_codes() {
    let database = Server::shared().database();
    let code = |command| said(&mut on(&database, &["run", "a", "--try", "--", command])).code;
    assert_eq!(code("/no/such/command"), 127);
    assert_eq!(code("/etc/passwd"), 126);
    assert_eq!(code("true"), 0);
}

#[test]
fn data_is_put_kept_and_replaced() {
    let database = Server::shared().database();
    let data = |options: &[&str]| {
        let command = ["--", "sh", "-c", r#""$0" show a --json"#, env!("CARGO_BIN_EXE_pglock")];
        let said = said(&mut on(&database, &[&["run", "a"], options, &command].concat()));
        serde_json::from_str::<serde_json::Value>(&said.out).expect("JSON")["data"].clone()
    };
    assert_eq!(data(&["--data", "one", "--keep-data"]), "one");
    assert_eq!(data(&["--data", "two", "--keep-data"]), "one");
    assert_eq!(data(&["--data", "two", "--replace-data"]), "two");
    assert_eq!(data(&[]), serde_json::Value::Null);
}

#[test]
fn no_server_is_said_with_where_it_was_looked_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port().to_string();
    drop(listener);
    let url = format!("host=127.0.0.1 port={port} user=nobody");
    let said = said(&mut pglock(&["run", "a", "--database-url", &url, "--", "echo", "ran"]));
    assert_eq!((said.code, said.out.as_str()), (NO_SERVER, ""), "{said:?}");
    assert!(said.err.contains(&format!("127.0.0.1:{port}")), "{said:?}");
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_tried() {
    for arguments in [
        &["run", "a"][..],
        &["run", "a", "--wait", "soon", "--", "true"],
        &["run", "a", "--wait", "0s", "--", "true"],
        &["run", "a", "--lease", "2s", "--grace", "1500ms", "--", "true"],
        &["run", "a", "--database-url", "hots=x", "--", "true"],
        &["elect"],
    ] {
        let said = said(&mut pglock(arguments));
        assert_eq!((said.code, said.out.as_str()), (USAGE, ""), "{arguments:?}: {said:?}");
        assert!(!said.err.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_variables_of_libpq_are_enough() {
    let database = Server::shared().database();
    let url: tokio_postgres::Config = database.url().parse().expect("the server's URL");
    let host = match url.get_hosts().first().expect("a host") {
        tokio_postgres::config::Host::Tcp(host) => host.clone(),
        tokio_postgres::config::Host::Unix(folder) => folder.display().to_string(),
    };
    let mut command = pglock(&["run", "a", "--", "echo", "ran"]);
    command.env("PGHOST", host).env("PGDATABASE", database.name());
    command.env("PGPORT", url.get_ports().first().copied().unwrap_or(5432).to_string());
    command.env("PGUSER", url.get_user().unwrap_or_default());
    command.env(
        "PGPASSWORD",
        String::from_utf8_lossy(url.get_password().unwrap_or_default()).as_ref(),
    );
    assert_eq!(said(&mut command).out, "ran\n");
}
