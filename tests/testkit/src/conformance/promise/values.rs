//! Parameters and values of each kind, with their edges.
//!
//! The server compares what it was sent with what it makes itself, and what it sends is compared here: so a mistake
//! on the way there cannot make up for one on the way back.

use pglock_core::{Param, Value};

use crate::conformance::broken::{Broken, ensure, same};
use crate::conformance::session::{Session, int, text};
use crate::conformance::subject::Subject;

const MEBIBYTE: usize = 1 << 20;

/// `int8`, from the least to the largest.
pub async fn numbers_keep_all_64_bits(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let edges = [0, 1, -1, 1 << 31, -(1 << 31), (1 << 31) - 1, 1 << 53, (1 << 53) + 1];
    for number in edges.into_iter().chain([i64::MAX - 1, i64::MAX, i64::MIN, i64::MIN + 1]) {
        let made = format!("'{number}'::int8");
        let value = session.value(&format!("SELECT {made}"), Vec::new()).await?;
        same("an int8 value", &Value::Int8(number), &value)?;
        session.confirms(&format!("SELECT $1::int8 = {made}"), vec![int(number)]).await?;
    }
    Ok(())
}

/// `bool`.
pub async fn truth_values_stay_what_they_are(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for (yes, number) in [(true, 1), (false, 0)] {
        let value = session.value("SELECT $1::int8 = 1", vec![int(number)]).await?;
        same("a bool value", &Value::Bool(yes), &value)?;
        let text = "SELECT CASE WHEN $1::bool THEN 1 ELSE 0 END::int8";
        let came = session.value(text, vec![Param::Bool(yes)]).await?;
        same("a bool parameter, as a number", &Value::Int8(number), &came)?;
    }
    Ok(())
}

/// Texts that mean something to somebody on the way.
const TEXTS: [&str; 16] = [
    "",
    " ",
    " two  spaces and a line's end\r\n",
    "it's \"quoted\" ' '' \" \"\"",
    "back\\slash \\n \\\\ \\x41 \\000",
    "$1 $$ $a$ ? ?? :name :: %s %% @ # -- /* */ ; {0} {}",
    "NULL",
    "null",
    "t",
    "\\N",
    "{a,b}",
    "(a,b)",
    "tab\tbell\u{7}escape\u{1b}delete\u{7f}",
    "na\u{ef}ve \u{df} \u{416} \u{4e2d}",
    "e\u{301} is not \u{e9}",
    "\u{10348} \u{1f512} \u{10ffff}",
];

/// `text`, of any characters, and of a mebibyte.
pub async fn texts_arrive_whole(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for each in TEXTS {
        text_arrives(&session, each).await?;
    }
    let long: String = ["0123456789abcde\u{e9}"].repeat(MEBIBYTE / 17 + 1).concat();
    let made = "SELECT repeat('0123456789abcde' || chr(233), $1::int8::int4)";
    let times = i64::try_from(MEBIBYTE / 17 + 1).unwrap_or_default();
    let value = session.value(made, vec![int(times)]).await?;
    same("a text value of a mebibyte", &Value::Text(long.clone()), &value)?;
    let compared = "SELECT $2::text = repeat('0123456789abcde' || chr(233), $1::int8::int4)";
    session.confirms(compared, vec![int(times), text(&long)]).await
}

/// The server makes the text of its characters' numbers.
async fn text_arrives(session: &Session, each: &str) -> Result<(), Broken> {
    const MADE: &str = "(SELECT coalesce(string_agg(chr(c::int4), '' ORDER BY n), '') \
         FROM unnest($1::int8[]) WITH ORDINALITY AS u (c, n))";
    let characters = Param::Int8Array(each.chars().map(|c| i64::from(u32::from(c))).collect());
    let value = session.value(&format!("SELECT {MADE}"), vec![characters.clone()]).await?;
    same("a text value", &Value::Text(each.into()), &value)?;
    let value = session.value(&format!("SELECT {MADE}::varchar"), vec![characters.clone()]).await?;
    same("a varchar value", &Value::Text(each.into()), &value)?;
    session.confirms(&format!("SELECT $2::text = {MADE}"), vec![characters, text(each)]).await
}

/// PostgreSQL has no text with a NUL in it: such a parameter is never cut or mended, but fails.
pub async fn a_text_with_nul_is_refused(subject: &Subject) -> Result<(), Broken> {
    for each in ["a\0b", "\0", "a\0"] {
        let session = subject.session().await?;
        let outcome = session.execute("SELECT $1::text", vec![text(each)]).await?;
        ensure(!matches!(outcome, pglock_core::Outcome::Rows(_)), || {
            format!("the text {each:?} was taken, and {outcome:?} came of it")
        })?;
    }
    Ok(())
}

/// `bytea`, of every byte, and of a mebibyte.
pub async fn bytes_arrive_whole(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let every: Vec<u8> = (0..=u8::MAX).collect();
    for times in [0, 1, MEBIBYTE / 256] {
        let bytes = every.repeat(times);
        let what = format!("a bytea value of {} bytes", bytes.len());
        let made = "(SELECT decode(repeat(string_agg(lpad(to_hex(n), 2, '0'), '' ORDER BY n), \
             $1::int8::int4), 'hex') FROM generate_series(0, 255) AS n)";
        let count = int(i64::try_from(times).unwrap_or_default());
        let value = session.value(&format!("SELECT {made}"), vec![count.clone()]).await?;
        same(&what, &Value::Bytea(bytes.clone()), &value)?;
        let param = Param::Bytea(Some(bytes.into()));
        session.confirms(&format!("SELECT $2::bytea = {made}"), vec![count, param]).await?;
    }
    Ok(())
}

/// `int8[]`, in its order, and empty.
pub async fn arrays_of_numbers_arrive_whole(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    let many: Vec<i64> =
        (0..100).map(|n: i64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64.cast_signed())).collect();
    for numbers in [vec![], vec![7], vec![i64::MAX, i64::MIN, 0, -1, 0], many] {
        let param = Param::Int8Array(numbers.clone());
        let text =
            "SELECT n FROM unnest($1::int8[]) WITH ORDINALITY AS u (n, place) ORDER BY place";
        let rows = session.rows(text, vec![param.clone()]).await?;
        let came: Vec<_> = rows.into_iter().flat_map(|row| row.0).collect();
        let wanted: Vec<_> = numbers.iter().copied().map(Value::Int8).collect();
        same("the elements of an int8[] parameter", &wanted, &came)?;
        let length = int(i64::try_from(numbers.len()).unwrap_or_default());
        session.confirms("SELECT cardinality($1::int8[]) = $2::int8", vec![param, length]).await?;
    }
    Ok(())
}

/// `text[]`, in its order, with elements that look like an array's own signs, and empty.
pub async fn arrays_of_texts_arrive_whole(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for texts in [&[][..], &[""], &TEXTS] {
        let param = Param::TextArray(texts.iter().map(|&text| text.into()).collect());
        let query =
            "SELECT e FROM unnest($1::text[]) WITH ORDINALITY AS u (e, place) ORDER BY place";
        let rows = session.rows(query, vec![param.clone()]).await?;
        let came: Vec<_> = rows.into_iter().flat_map(|row| row.0).collect();
        let wanted: Vec<_> = texts.iter().map(|&text| Value::Text(text.into())).collect();
        same("the elements of a text[] parameter", &wanted, &came)?;
        let length = int(i64::try_from(texts.len()).unwrap_or_default());
        session.confirms("SELECT cardinality($1::text[]) = $2::int8", vec![param, length]).await?;
    }
    Ok(())
}

/// NULL is neither zero nor false nor empty, on either way.
pub async fn null_is_not_empty(subject: &Subject) -> Result<(), Broken> {
    let session = subject.session().await?;
    for kind in ["int8", "bool", "text", "varchar", "bytea"] {
        let value = session.value(&format!("SELECT NULL::{kind}"), Vec::new()).await?;
        same(&format!("a {kind} value that is NULL"), &Value::Null, &value)?;
    }
    let empty = [
        ("0::int8", Value::Int8(0)),
        ("false", Value::Bool(false)),
        ("''::text", Value::Text(String::new())),
        ("''::bytea", Value::Bytea(Vec::new())),
    ];
    for (made, wanted) in empty {
        let value = session.value(&format!("SELECT {made}"), Vec::new()).await?;
        same("a value that is empty, but not NULL", &wanted, &value)?;
    }
    let params = [
        (Param::Int8(None), true),
        (int(0), false),
        (Param::Bytea(None), true),
        (Param::Bytea(Some([].into())), false),
        (text(""), false),
    ];
    for (param, is_null) in params {
        let asked = format!("SELECT $1::{} IS NULL", param.type_name());
        let what = format!("whether the parameter {param:?} is NULL");
        same(&what, &is_null, &session.holds(&asked, vec![param]).await?)?;
    }
    Ok(())
}
