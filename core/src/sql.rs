//! The texts of the lease statements on one table. What they mean stands in `statement.rs`.
//!
//! Each text keeps properties that are easily lost in a rewrite; they are noted beside it and pinned
//! by tests on a real server.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::advisory::CHANNEL;
use crate::identity::Rvn;
use crate::schema;
use crate::statement::{LineUp, Query, Statement};
use crate::table::{Table, literal, quote};

/// The texts of all statements on one table, made once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sql {
    pub(crate) acquire: String,
    pub(crate) release: String,
    pub(crate) renew: String,
    pub(crate) amend: String,
    pub(crate) evict: String,
    pub(crate) look: String,
    pub(crate) line_up: String,
    pub(crate) listen: String,
    /// The sequence of the fencing tokens.
    pub(crate) tokens: Arc<str>,
    pub(crate) read_one: String,
    pub(crate) read_all: String,
    pub(crate) create_table: String,
    pub(crate) check_table: String,
    pub(crate) drop_table: String,
}

/// The texts are long and always the same.
impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sql").finish_non_exhaustive()
    }
}

impl Sql {
    /// The texts for this table.
    #[must_use]
    pub fn new(table: &Table) -> Self {
        let locks = table.to_sql();
        let tokens = table.relation("_token");
        let next_token = format!("nextval({})", literal(&tokens));
        Self {
            acquire: acquire(&locks, &next_token),
            release: release(&locks, &tell(table)),
            renew: renew(&locks),
            amend: amend(&locks),
            evict: evict(&locks, &tell(table)),
            look: look(&locks),
            line_up: line_up(&locks),
            listen: listen(table),
            tokens: tokens.into(),
            read_one: read(&locks, "l.name = $1::text", ""),
            read_all: read(
                &locks,
                "starts_with(l.name, $1::text)",
                " ORDER BY l.name COLLATE \"C\"",
            ),
            create_table: schema::create(table),
            check_table: schema::check(table),
            drop_table: schema::drop(table),
        }
    }

    /// The text and parameters of a statement: what [`Command::query`](crate::Command::query) gives.
    #[must_use]
    pub fn query<'a>(&'a self, statement: &'a Statement) -> Query<'a> {
        statement.query(self)
    }
}

/// Settings that hold for this statement only: how long to wait for a row, and that a commit
/// which was acknowledged is never lost.
fn strict(lock_timeout: &str) -> String {
    format!(
        "strict AS MATERIALIZED (SELECT set_config('lock_timeout', {lock_timeout}, true), \
         CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') \
         THEN set_config('synchronous_commit', 'on', true) END)"
    )
}

/// A refused try runs the first sub-select only and writes nothing. A granted one draws its token after
/// the row is locked, compares again after it waited for the row, and waits for fences, since it
/// sets the key column. Run twice, it keeps the token it drew. A row that was restored from elsewhere may
/// have seen a later token than this sequence has drawn, which counts, too.
fn acquire(locks: &str, next_token: &str) -> String {
    let strict = strict("$9::text");
    let free =
        format!("(l.record_version_number IS NULL OR l.record_version_number >= {})", Rvn::TICKET);
    let leave = format!("waiters = {}", without("$3::int8[]"));
    format!(
        "WITH {strict}, \
         seen AS MATERIALIZED (SELECT record_version_number AS rvn, owner, lease_ms, data, fencing_token \
           FROM {locks} WHERE name = $1::text), \
         took AS (INSERT INTO {locks} AS l (name, owner) SELECT $1::text, $5::text FROM strict \
           WHERE NOT EXISTS (SELECT FROM seen WHERE NOT (rvn IS NULL OR rvn IS NOT DISTINCT FROM $2::int8 \
             OR rvn = ANY($3::int8[]))) \
           ON CONFLICT (name) DO UPDATE SET name = EXCLUDED.name, record_version_number = $4::int8, \
             owner = $5::text, lease_ms = $6::int8, {leave}, \
             fencing_token = CASE WHEN l.record_version_number = $4::int8 AND l.fencing_token IS NOT NULL \
               THEN l.fencing_token ELSE greatest({next_token}, l.fencing_token + 1) END, \
             data = CASE WHEN $7::bool OR (l.data IS NULL AND {free}) THEN $8::bytea ELSE l.data END \
           WHERE l.record_version_number IS NULL OR l.record_version_number IS NOT DISTINCT FROM $2::int8 \
             OR l.record_version_number = ANY($3::int8[]) \
           RETURNING record_version_number, owner, lease_ms, data, fencing_token) \
         SELECT coalesce(record_version_number = $4::int8, false), record_version_number, owner::text, \
           lease_ms, data, fencing_token FROM took \
         UNION ALL SELECT false, rvn, owner::text, lease_ms, data, fencing_token FROM seen \
           WHERE NOT EXISTS (SELECT FROM took)"
    )
}

/// The line without these tickets, which are seldom there.
fn without(tickets: &str) -> String {
    format!(
        "CASE WHEN l.waiters && {tickets} THEN ARRAY(SELECT w.ticket FROM unnest(l.waiters) WITH ORDINALITY AS w(ticket, n) \
         WHERE w.ticket <> ALL({tickets}) ORDER BY w.n) ELSE l.waiters END"
    )
}

/// Tells whom the row has been handed over to, and nobody if it is free: a notification costs every commit beside
/// it. True for each row.
fn tell(table: &Table) -> String {
    let channel = literal(table.name());
    format!(
        "CASE WHEN l.record_version_number >= {} \
         THEN pg_notify({channel}, l.record_version_number || ' ' || l.name) IS NOT NULL ELSE true END",
        Rvn::TICKET
    )
}

/// Both families, by one statement.
fn listen(table: &Table) -> String {
    schema::block(&format!("LISTEN {}; LISTEN {CHANNEL};", quote(table.name())))
}

fn release(locks: &str, tell: &str) -> String {
    let strict = strict("$4::text");
    let rest = without("$2::int8[]");
    format!(
        "WITH {strict}, freed AS (UPDATE {locks} AS l SET \
           record_version_number = CASE WHEN l.record_version_number = ANY($2::int8[]) THEN l.waiters[1] \
             ELSE l.record_version_number END, \
           waiters = CASE WHEN l.record_version_number = ANY($2::int8[]) THEN l.waiters[2:] ELSE {rest} END, \
           data = CASE WHEN $3::bool THEN l.data END FROM strict \
           WHERE l.name = $1::text AND (l.record_version_number = ANY($2::int8[]) OR l.waiters && $2::int8[]) \
           RETURNING l.*) \
         SELECT l.fencing_token FROM freed AS l WHERE {tell}"
    )
}

/// Reads for one who waits, in one index look-up and without a lock.
fn look(locks: &str) -> String {
    format!("SELECT {ENTRY}, {PLACE} FROM {locks} AS l WHERE l.name = $1::text")
}

/// Whoever finds the row fit to line up at and yet has not done so has waited for it while it changed: what it saw
/// first is no answer.
fn line_up(locks: &str) -> String {
    let strict = strict("$4::text");
    let fits = format!(
        "l.record_version_number >= {} AND l.record_version_number <> ALL($2::int8[]) \
         AND cardinality(coalesce(l.waiters, '{{}}')) < {} AND NOT coalesce(l.waiters, '{{}}') && $2::int8[]",
        Rvn::MARK,
        LineUp::LONGEST
    );
    format!(
        "WITH {strict}, seen AS MATERIALIZED (SELECT l.* FROM {locks} AS l WHERE l.name = $1::text), \
         joined AS (UPDATE {locks} AS l SET waiters = array_append(l.waiters, $3::int8) FROM strict \
           WHERE l.name = $1::text AND {fits} RETURNING l.*) \
         SELECT {ENTRY}, {PLACE} FROM joined AS l \
         UNION ALL SELECT {ENTRY}, {PLACE} FROM seen AS l \
           WHERE NOT EXISTS (SELECT FROM joined) AND ({fits}) IS NOT TRUE"
    )
}

/// Never waits: rows that somebody else has locked are skipped and said to be so. `done` updates only
/// what `grab` has locked and compared, and `grab` starts from the names, of which there are fewer than of
/// numbers, so that the planner stays with the index.
fn renew(locks: &str) -> String {
    let strict = strict("'1s'");
    format!(
        "WITH {strict}, \
         want AS MATERIALIZED (SELECT * FROM unnest($1::text[], $2::int8[]) w(name, new)), \
         may AS MATERIALIZED (SELECT * FROM unnest($3::text[], $4::int8[]) m(name, rvn)), \
         grab AS MATERIALIZED (SELECT l.name FROM want w JOIN {locks} l ON l.name = w.name \
           JOIN may m ON m.name = w.name AND m.rvn = l.record_version_number \
           FOR NO KEY UPDATE OF l SKIP LOCKED), \
         done AS (UPDATE {locks} l SET record_version_number = w.new FROM want w JOIN grab USING (name) \
           WHERE l.name = w.name RETURNING l.name, l.lease_ms) \
         SELECT w.name, CASE WHEN d.name IS NOT NULL THEN 'renewed' WHEN m.name IS NOT NULL THEN 'row locked' \
           ELSE 'lost' END, d.lease_ms \
         FROM want w CROSS JOIN strict LEFT JOIN done d USING (name) LEFT JOIN {locks} s ON s.name = w.name \
         LEFT JOIN may m ON m.name = w.name AND m.rvn = s.record_version_number"
    )
}

fn amend(locks: &str) -> String {
    let strict = strict("$7::text");
    format!(
        "WITH {strict} UPDATE {locks} AS l SET record_version_number = $3::int8, \
         lease_ms = coalesce($4::int8, l.lease_ms), \
         data = CASE WHEN $5::bool THEN $6::bytea ELSE l.data END FROM strict \
         WHERE l.name = $1::text AND l.record_version_number = ANY($2::int8[]) RETURNING l.lease_ms"
    )
}

/// The number counts: a Go client, and one to whom the lock is handed over, leave the token of the grant before
/// them in the row.
fn evict(locks: &str, tell: &str) -> String {
    let strict = strict("$3::text");
    format!(
        "WITH {strict}, freed AS (UPDATE {locks} AS l SET record_version_number = l.waiters[1], waiters = l.waiters[2:] \
           FROM strict WHERE l.name = $1::text AND l.fencing_token = $2::int8 \
           AND l.record_version_number >= {} AND l.record_version_number < {} RETURNING l.*) \
         SELECT l.name::text, NULL::int8, l.owner::text, l.lease_ms, l.data, l.fencing_token FROM freed AS l WHERE {tell}",
        Rvn::MARK,
        Rvn::TICKET
    )
}

/// The columns of a row that somebody asked to read.
const ENTRY: &str =
    "l.name::text, l.record_version_number, l.owner::text, l.lease_ms, l.data, l.fencing_token";

/// The place of the tickets `$2` in its line.
const PLACE: &str = "CASE WHEN cardinality(l.waiters) > 0 THEN coalesce((SELECT min(w.n) \
    FROM unnest(l.waiters) WITH ORDINALITY AS w(ticket, n) WHERE w.ticket = ANY($2::int8[])), 0) END";

fn read(locks: &str, condition: &str, order: &str) -> String {
    format!("SELECT {ENTRY} FROM {locks} AS l WHERE {condition}{order}")
}
