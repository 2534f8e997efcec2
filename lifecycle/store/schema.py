"""The tables of a store in SQLite, and every statement that is run on them.

What lives here: SQL. What must not: anything that runs it. The law of this file: every statement finds its rows by an
index, and a step that changes little writes little.

A session has a number, which the other tables use: their rows lie near each other and take less room than under its
name. A row that is written with every step holds only what a step can change; what cannot change again (a spec, an
entry, an end) is inserted once. ``latest`` in the journal is the highest engine time so far: the last row tells.

A session that rests has the time at which it has to be looked at (``rests_until``), one that is over has ``OVER``, and
all others have none: those are what a process takes up as it starts, and they have an index of their own. No statement
of an ordinary step sets the column, so that steps do not touch that index.
"""

from __future__ import annotations

APPLICATION = 0x6C666379
"""What marks the file as ours: ``lfcy``."""

VERSION = 2
"""The version of the tables; the records in them have one of their own. Older files are migrated (``migrations``)."""

SCHEMA = f"""
PRAGMA journal_mode = DELETE;
PRAGMA synchronous = FULL;
BEGIN;
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE policies (number INTEGER PRIMARY KEY, record BLOB NOT NULL UNIQUE);
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL,
    performed INTEGER NOT NULL,
    state TEXT NOT NULL,
    busy INTEGER NOT NULL,
    policy INTEGER NOT NULL,
    record BLOB NOT NULL,
    holder INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL DEFAULT 0,
    rests_until INTEGER
);
CREATE INDEX sessions_by_state ON sessions (state, id, busy);
CREATE INDEX sessions_awake ON sessions (id) WHERE rests_until IS NULL;
CREATE INDEX sessions_at_rest ON sessions (policy, rests_until, holder) WHERE rests_until >= 0;
CREATE TABLE journal (
    number INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    record BLOB NOT NULL
);
CREATE UNIQUE INDEX journal_by_session ON journal (session, revision);
CREATE TABLE runs (
    session INTEGER NOT NULL,
    id TEXT NOT NULL,
    admitted INTEGER NOT NULL,
    key TEXT,
    spec BLOB NOT NULL,
    PRIMARY KEY (session, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX runs_by_key ON runs (session, key) WHERE key IS NOT NULL;
CREATE TABLE checkpoints (
    session INTEGER NOT NULL, run TEXT NOT NULL, record BLOB NOT NULL, PRIMARY KEY (session, run)
) WITHOUT ROWID;
CREATE TABLE ended (
    session INTEGER NOT NULL, admitted INTEGER NOT NULL, run TEXT NOT NULL, record BLOB NOT NULL, ended_at INTEGER,
    PRIMARY KEY (session, admitted)
) WITHOUT ROWID;
CREATE INDEX ended_by_time ON ended (ended_at);
CREATE TABLE requests (
    session INTEGER NOT NULL, run TEXT NOT NULL, id TEXT NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (session, run, id)
) WITHOUT ROWID;
CREATE TABLE snapshots (session INTEGER PRIMARY KEY, revision INTEGER NOT NULL, record BLOB NOT NULL);
CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE workers (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, expires INTEGER NOT NULL);
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, worker INTEGER NOT NULL, session TEXT NOT NULL, record BLOB NOT NULL,
    reply BLOB
);
CREATE INDEX inbox_unanswered ON inbox (reply) WHERE reply IS NULL;
COMMIT;
PRAGMA journal_mode = WAL;
"""

OVER = -1
"""What stands in place of a time for a session that is stopped, with nothing left to recover."""

FOREVER = 2**62
"""What stands in place of a time for a session that nothing but a request or another policy wakes."""

TABLES_SINCE = {
    1: ("policies", "sessions", "journal", "runs", "checkpoints", "ended", "requests"),
    2: ("snapshots", "marks", "workers", "inbox"),
}
"""The tables, by the version that brought them."""

# -- writing a step, in this order ------------------------------------------------------------------------------------

INSERT_POLICY = "INSERT OR IGNORE INTO policies (record) VALUES (?)"
POLICY_NUMBER = "SELECT number FROM policies WHERE record = ?"
SESSION_NUMBER = "SELECT number FROM sessions WHERE id = ?"

INSERT_SESSION = (
    "INSERT INTO sessions (number, id, revision, performed, state, busy, policy, holder, epoch, record) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
WAKE_SESSION = "UPDATE sessions SET rests_until = NULL WHERE number = ?"
TAKE_SESSION = "UPDATE sessions SET holder = ?, epoch = epoch + 1 WHERE number = ? AND epoch = ?"
UPDATE_SESSION = (
    "UPDATE sessions SET revision = ?, performed = max(performed, ?), record = ? "
    "WHERE number = ? AND revision = ? AND epoch = ? AND rests_until IS NULL"
)
MOVE_SESSION = (
    "UPDATE sessions SET revision = ?, performed = max(performed, ?), record = ?, state = ?, busy = ? "
    "WHERE number = ? AND revision = ? AND epoch = ? AND rests_until IS NULL"
)
REOPEN_SESSION = (
    "UPDATE sessions SET revision = ?, performed = max(performed, ?), record = ?, state = ?, busy = ?, policy = ? "
    "WHERE number = ? AND revision = ? AND epoch = ? AND rests_until IS NULL"
)
INSERT_ENTRY = "INSERT INTO journal (session, revision, latest, record) VALUES (?, ?, ?, ?)"
INSERT_RUN = "INSERT INTO runs (session, id, admitted, key, spec) VALUES (?, ?, ?, ?, ?)"
KEEP_CHECKPOINT = "INSERT OR REPLACE INTO checkpoints (session, run, record) VALUES (?, ?, ?)"
DROP_CHECKPOINT = "DELETE FROM checkpoints WHERE session = ? AND run = ?"
INSERT_ENDED = "INSERT INTO ended (session, admitted, run, record, ended_at) VALUES (?, ?, ?, ?, ?)"
KEEP_REQUEST = "INSERT OR REPLACE INTO requests (session, run, id, record) VALUES (?, ?, ?, ?)"

# -- letting go -------------------------------------------------------------------------------------------------------

KEEP_MARK = (
    "INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
)
KEEP_SNAPSHOT = "INSERT OR REPLACE INTO snapshots (session, revision, record) VALUES (?, ?, ?)"
OLDEST_ENDED = "SELECT admitted, run, ended_at FROM ended WHERE session = ? ORDER BY admitted LIMIT ?"
OLDEST_ENTRIES = (
    "SELECT revision, latest FROM journal INDEXED BY journal_by_session WHERE session = ? ORDER BY revision LIMIT ?"
)
DROP_ENDED = "DELETE FROM ended WHERE session = ? AND admitted = ?"
DROP_RUN = "DELETE FROM runs WHERE session = ? AND id = ?"
DROP_REQUESTS = "DELETE FROM requests WHERE session = ? AND run = ?"
DROP_ENTRIES = "DELETE FROM journal INDEXED BY journal_by_session WHERE session = ? AND revision <= ?"
DROP_SNAPSHOT = "DELETE FROM snapshots WHERE session = ?"
DROP_SESSION = "DELETE FROM sessions WHERE number = ?"

MARK_PERFORMED = "UPDATE sessions SET performed = ? WHERE id = ? AND performed < ?"
MARK_OVER = (
    f"UPDATE sessions SET rests_until = {OVER} "
    "WHERE id = ? AND state = 'stopped' AND NOT busy AND performed >= revision AND rests_until IS NULL"
)

# -- resting ----------------------------------------------------------------------------------------------------------

LAY_TO_REST = (
    "UPDATE sessions SET performed = revision, rests_until = ? "
    "WHERE id = ? AND revision = ? AND holder = ? AND epoch = ? AND state <> 'stopped' AND NOT busy"
)

# -- asking what is there ---------------------------------------------------------------------------------------------

STANDS = "SELECT revision, holder, epoch, rests_until FROM sessions WHERE id = ?"
RUN_TAKEN = "SELECT 1 FROM sessions JOIN runs ON session = number WHERE sessions.id = ? AND runs.id = ?"
KEY_TAKEN = "SELECT 1 FROM sessions JOIN runs ON session = number WHERE sessions.id = ? AND key = ?"

LATEST = "SELECT latest FROM journal ORDER BY number DESC LIMIT 1"
ENDS = (
    f"SELECT ({LATEST}), (SELECT number FROM sessions ORDER BY number DESC LIMIT 1), "
    "(SELECT value FROM marks WHERE name = 'latest'), (SELECT value FROM marks WHERE name = 'number'), "
    "(SELECT value FROM marks WHERE name = 'incarnation'), (SELECT value FROM marks WHERE name = 'revision')"
)
_SESSION_COLUMNS = "SELECT number, id, revision, performed, policy, holder, epoch, record, rests_until FROM sessions"
LOAD_SESSION = f"{_SESSION_COLUMNS} WHERE id = ?"
LOAD_POLICY = "SELECT record FROM policies WHERE number = ?"
LOAD_SPEC = "SELECT spec FROM runs WHERE session = ? AND id = ?"
LOAD_CHECKPOINT = "SELECT record FROM checkpoints WHERE session = ? AND run = ?"

_ENDED_COLUMNS = "SELECT ended.run, ended.record, runs.spec FROM sessions"
RUN_ENDED = (
    f"{_ENDED_COLUMNS} JOIN runs ON runs.session = number "
    "JOIN ended ON ended.session = number AND ended.admitted = runs.admitted WHERE sessions.id = ? AND runs.id = ?"
)
KEY_ENDED = RUN_ENDED.replace("runs.id = ?", "runs.key = ?")
ENDED_PAGE = (
    f"{_ENDED_COLUMNS} JOIN ended ON ended.session = number JOIN runs ON runs.session = number AND runs.id = ended.run "
    "WHERE sessions.id = ? AND ended.admitted > ? ORDER BY ended.admitted LIMIT ?"
)
REQUEST_CLOSED = (
    "SELECT requests.record FROM sessions JOIN requests ON session = number "
    "WHERE sessions.id = ? AND run = ? AND requests.id = ?"
)
JOURNAL_PAGE = (
    "SELECT journal.revision, journal.record FROM sessions JOIN journal ON session = sessions.number "
    "WHERE sessions.id = ? AND journal.revision > ? ORDER BY journal.revision LIMIT ?"
)

SNAPSHOT = "SELECT snapshots.revision, snapshots.record FROM sessions JOIN snapshots ON session = number WHERE id = ?"
SNAPSHOT_REVISION = "SELECT revision FROM snapshots WHERE session = ?"

AGED_ENDED = (
    "SELECT ended_at, ended.session, admitted, id, holder, epoch FROM ended JOIN sessions ON number = ended.session "
    "WHERE (ended_at, ended.session, admitted) > (?, ?, ?) AND ended_at <= ? "
    "ORDER BY ended_at, ended.session, admitted LIMIT ?"
)
AGED_ENTRIES = (
    "SELECT journal.number, latest, id, holder, epoch FROM journal JOIN sessions ON sessions.number = journal.session "
    "WHERE journal.number > ? ORDER BY journal.number LIMIT ?"
)

SESSIONS_FIRST = f"{_SESSION_COLUMNS} ORDER BY id LIMIT ?"
SESSIONS_NEXT = f"{_SESSION_COLUMNS} WHERE id > ? ORDER BY id LIMIT ?"
SESSIONS_FIRST_IN = f"{_SESSION_COLUMNS} WHERE state = ? ORDER BY id LIMIT ?"
SESSIONS_NEXT_IN = f"{_SESSION_COLUMNS} WHERE state = ? AND id > ? ORDER BY id LIMIT ?"

UNHELD = "holder NOT IN (SELECT number FROM workers WHERE expires > ?)"
UNSETTLED = (
    "SELECT id, busy FROM sessions INDEXED BY sessions_awake WHERE rests_until IS NULL "
    f"AND (state <> 'stopped' OR busy OR performed < revision) AND {UNHELD} ORDER BY id"
)

POLICY_NUMBERS = "SELECT number FROM policies"
_AT_REST = "FROM sessions INDEXED BY sessions_at_rest WHERE rests_until >= 0 AND policy = ?"
DUE = f"SELECT id {_AT_REST} AND rests_until <= ? AND (holder = ? OR {UNHELD}) ORDER BY rests_until LIMIT ?"
LEFT_AT_REST = f"SELECT id {_AT_REST} AND holder <> ? AND {UNHELD} LIMIT ?"
NEXT_DUE = (
    f"SELECT rests_until, holder {_AT_REST} AND rests_until > ? AND rests_until < {FOREVER} "
    "ORDER BY rests_until LIMIT ?"
)
HELD = "SELECT number FROM workers WHERE expires > ? AND number <> ?"

# -- workers and their inbox ------------------------------------------------------------------------------------------

WORKERS = "SELECT number, name, expires FROM workers ORDER BY number"
NEWEST = "SELECT seq FROM sqlite_sequence WHERE name = 'workers'"
WORKER = "SELECT number, name, expires FROM workers WHERE number = ?"
INSERT_WORKER = "INSERT INTO workers (name, expires) VALUES (?, ?)"
RENEW_WORKER = "UPDATE workers SET expires = max(expires, ?) WHERE number = ?"
REJOIN_WORKER = "INSERT OR IGNORE INTO workers (number, name, expires) VALUES (?, ?, ?)"
DELETE_WORKER = "DELETE FROM workers WHERE number = ?"

ASK = "INSERT INTO inbox (worker, session, record) VALUES (?, ?, ?)"
ASKED = (
    "SELECT inbox.number, inbox.session, inbox.record FROM inbox JOIN sessions ON sessions.id = inbox.session "
    "WHERE reply IS NULL AND holder = ? ORDER BY inbox.number"
)
IS_ASKED_SO_MUCH = (
    "SELECT 1 FROM inbox JOIN sessions ON sessions.id = inbox.session "
    "WHERE reply IS NULL AND holder = (SELECT holder FROM sessions WHERE sessions.id = ?) LIMIT 1 OFFSET ?"
)
IS_ASKED = "SELECT 1 FROM inbox WHERE reply IS NULL AND session = ?"
NOTE = "SELECT worker, reply IS NOT NULL FROM inbox WHERE number = ?"
LEASE_ASKED = "SELECT holder, epoch FROM sessions WHERE id = (SELECT session FROM inbox WHERE number = ?)"
ANSWER = "UPDATE inbox SET reply = ? WHERE number = ? AND reply IS NULL"
REPLY = "SELECT reply FROM inbox WHERE number = ? AND reply IS NOT NULL"
COLLECTED = "DELETE FROM inbox WHERE number = ?"
UNCOLLECTED = "DELETE FROM inbox WHERE reply IS NOT NULL AND worker NOT IN (SELECT number FROM workers)"
