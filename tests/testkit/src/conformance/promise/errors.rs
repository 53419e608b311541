//! What the server's errors come out as.

use pglock_core::{Outcome, Severity};

use crate::conformance::broken::{Broken, brief, ensure, same};
use crate::conformance::subject::Subject;

/// Codes that somebody might take for something else than an answer, among others.
const CODES: [&str; 18] = [
    "08006", "08P01", "40003", "57P01", "57P03", "57014", "58030", "XX000", "53200", "53300",
    "55P03", "40001", "40P01", "25006", "26000", "0A000", "23505", "P0001",
];

/// An error of the server's is passed on as it was reported, whatever it says: its code, that it is no more than an
/// error, and its words.
pub async fn errors_keep_their_code_severity_and_words(subject: &Subject) -> Result<(), Broken> {
    const WORDS: &str = "it's \"so\", na\u{ef}ve";
    let session = subject.session().await?;
    for code in CODES {
        let words = WORDS.replace('\'', "''");
        let text =
            format!("DO $$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{code}'; END $$");
        let error = session.error(&text, Vec::new()).await?;
        same("the code of an error", &code, &error.sqlstate.as_str())?;
        same(&format!("the severity of {code}"), &Severity::Error, &error.severity)?;
        same(&format!("the words of {code}"), &WORDS, &error.message.as_str())?;
    }
    Ok(())
}

/// After an error the session goes on, and no answer is another's.
pub async fn an_error_leaves_the_session_sound(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for text in [
        "SELECT 1::int8 / 0",
        "this is no statement",
        "SELECT (n / (n - 2))::int8 FROM generate_series(1, 3) AS n",
        "SELECT * FROM there_is_no_such_table",
        "SELECT 'x'::int8",
    ] {
        for _again in 0..2 {
            session.error(text, Vec::new()).await?;
            session.is_sound().await?;
        }
    }
    Ok(())
}

/// An error that ends the session is told as such, with its severity, or else the answer is lost: it is never a plain
/// error, after which the session would be used again.
pub async fn an_error_that_ends_the_session_says_so(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let text = "SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(600) IS NULL";
    unanswered("a session that the server ends", &session.execute(text, Vec::new()).await?)
}

/// The answer is not known, or it is the one with which the server ends a session.
pub(super) fn unanswered(what: &str, outcome: &Outcome) -> Result<(), Broken> {
    let fits = match outcome {
        Outcome::Rows(_) => false,
        Outcome::Failed(error) => {
            error.severity == Severity::Fatal && error.sqlstate.as_str() == "57P01"
        }
        Outcome::Lost => true,
    };
    ensure(fits, || {
        format!("{what}: {} came, neither Lost nor the server's fatal error", brief(outcome))
    })
}
