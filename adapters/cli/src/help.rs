//! The longer help texts: what an option's one line has no room for.

pub(crate) const ROOT: &str = "\
Which server:
  --database-url, else PGLOCK_DATABASE_URL, else DATABASE_URL. What these
  leave open comes from libpq's variables: PGHOST, PGHOSTADDR, PGPORT, PGUSER,
  PGPASSWORD, PGPASSFILE, PGDATABASE, PGSSLMODE, PGSSLROOTCERT, PGAPPNAME,
  PGCONNECT_TIMEOUT, PGOPTIONS, PGTARGETSESSIONATTRS. Without any, it is the
  Unix socket in /var/run/postgresql or /tmp, else localhost.

TLS (sslmode, as libpq):
  disable      never
  prefer       if the server offers it, whatever its certificate (default)
  require      always, whatever its certificate unless sslrootcert names a file
  verify-full  always; the certificate must be the host's, signed by one that
               the system trusts or that is in the file of sslrootcert or
               PGSSLROOTCERT (verify-ca means the same); the default where
               that file is \"system\"

Exit codes:
    0  done
    1  no: not there, not fit, not current, nobody
  113  no connection to the server (nobody there, login refused), or no answer
  114  the server refused
  115  the command line or a setting makes no sense
  116  this machine refused something
  117  a simulated history broke a rule
  `pglock run` has more: see `pglock help run`.

Examples:
  pglock demo
  pglock run nightly-report --probe -- make report
  pglock list --json
";

pub(crate) const RUN: &str = "\
The command finds in its environment:
  PGLOCK_NAME   the lock's name
  PGLOCK_TOKEN  the fencing token, larger with every grant: hand it to whatever
                the lock protects, which should refuse smaller ones
  PGLOCK_OWNER  the label under which the lock is held

It runs in a process group of its own. INT, TERM, HUP, QUIT, USR1, USR2, TSTP
and CONT are passed on to it. If the lock cannot be renewed, the group gets
TERM some time (--grace) before the lock can end, and KILL just before; if the
lock is found lost, KILL at once. A guard process sees to that also when
pglock itself is killed or stopped. A command that leaves the group for one of
its own, as timeout and setsid do, is followed there (by the guard on Linux
only). Whatever else leaves the group is out of reach, and what the command
leaves running in the background is no longer protected after it has ended.

The lock table is created if it is missing.

With --advisory the lock is one of PostgreSQL's own; no table is needed, and
there are no PGLOCK_TOKEN and PGLOCK_OWNER, also not those of an outer `run`.
`pglock holders` shows who has it.
It is free for others as soon as its session ends: if the server ends it, the
command gets KILL when that is noticed, and when pglock is killed, at once;
others may have the lock a moment before. A session that is silent for 15s
counts as lost. Poolers that share a session among clients, and standbys, are
refused. With --in-line it is waited for in the server's own queue and handed
over at once, to those in the queue in the order of their coming, though the
place is lost twice a second: what waits longer keeps CREATE INDEX CONCURRENTLY
waiting, too.

Times are written 500ms, 20s, 5m, 1h 30m.

Exit codes:
  the command's own, or 128 and the signal that ended it; and
  110  busy: somebody else holds the lock (--try, --probe)
  111  timed out (--wait)
  112  lost: the lock could not be kept, the command was stopped
  113  no connection to the server (nobody there, login refused), or no answer
  114  the server refused, or the table or the session is not fit for use
  115  the command line or a setting makes no sense
  116  this machine refused something
  126  the command cannot be executed
  127  there is no such command

Examples:
  # cron on many machines: never two at once, takes over from a dead holder; a
  # command shorter than the difference of their clocks may run again
  */5 * * * *  pglock run report --probe --quiet -- /usr/local/bin/report

  # one deployment at a time, with a word for whoever waits
  pglock run deploy --wait 10m --data \"release 4.2\" -- ./deploy.sh

  # readers at once, a writer alone
  pglock run catalogue --advisory --shared -- ./export.sh
  pglock run catalogue --advisory --in-line --wait 5m -- ./import.sh

  # the fencing token, for what the lock protects
  pglock run invoices -- sh -c 'pay --token \"$PGLOCK_TOKEN\"'
";

pub(crate) const LIST: &str = "\
A lock that is held may belong to a dead holder: only watching it for a lease
tells, as `pglock run NAME --probe` does. With --json, tokens and record
version numbers stand as strings, since many readers of JSON cannot carry
numbers beyond 2^53. Reading works on a standby, too.

Examples:
  pglock list invoice-
  pglock list --json | jq -r '.[] | select(.held) | .name'
";

pub(crate) const SHOW: &str = "\
Exit code 1 if there is no such lock.
";

pub(crate) const HOLDERS: &str = "\
Of this database only: others have locks of their own, and so has a standby.
A session that has the lock in both modes comes twice; one whose row has no
process is a prepared transaction. WAITS FOR names the server processes of
those that hold the lock, and of those that came before. What the server does
not tell this role of others' sessions is left blank; pg_read_all_stats helps.
To end a session: SELECT pg_terminate_backend(PID).

Exit code 1 if nobody holds the lock or waits for it.

Examples:
  pglock holders invoice-42
  pglock holders --number 42
  pglock holders --pair 7,-42
  pglock holders app_production --mapping sqlx-migrations
";

pub(crate) const RELEASE: &str = "\
For operators, when a holder is known to be dead or stuck and its lease is
long. The lock is freed only if it is held with this very token. A holder that
lives notices with its next heartbeat and stops; until then both may work, and
only the fencing token keeps them apart.

Exit code 1 if the token is not current, or the lock is not held.

Example:
  pglock show nightly-report
  pglock release nightly-report --token 17
";

pub(crate) const DEMO: &str = "\
Uses the server that --database-url, PGLOCK_DATABASE_URL, DATABASE_URL, PGHOST
or PGHOSTADDR names, with a table of its own that is dropped at the end. If
none is named, it starts a private, throw-away PostgreSQL: from the programs
in PGLOCK_PG_BIN, on the PATH, where pg_config says, or in the usual places;
else from the image postgres:18, if a Docker engine is there.
";

pub(crate) const SIMULATE: &str = "\
Each history is clients that compete for locks on a model of the server, with
clocks that go wrong, messages that are lost or late, processes that stand
still or crash. After every event all promises are checked. A seed gives the
same history on any machine, as long as pglock is of the same version.

Says how much was run and which things worth meeting were met. If a rule is
broken, the history is made small and shown; the folder has it as a picture
(timeline.svg), as a log, and as a test to paste (test.rs).

Exit codes:
    0  no rule was broken
  115  the command line makes no sense
  116  this machine refused something
  117  a rule was broken

Examples:
  pglock simulate --histories 100000
  pglock simulate --seed 4711 --histories 1 --clients 5 --faults edge
  pglock simulate --advisory --histories 100000
";
