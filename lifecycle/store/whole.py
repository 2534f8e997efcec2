"""Statements that go through a whole file: to check it, to export it, to clean it up.

What lives here: SQL that is run when nobody waits for it. What must not: a statement of a step. The law of this file:
rows come in an order that does not depend on how the file came to be.
"""

from __future__ import annotations

from lifecycle.store import schema

_OF_SESSIONS = "JOIN sessions ON sessions.number ="
ALL_SESSIONS = "SELECT id FROM sessions ORDER BY id"
ALL_POLICIES = "SELECT number, record FROM policies"
ALL_RUNS = f"SELECT sessions.id, runs.id, admitted, key, spec FROM runs {_OF_SESSIONS} runs.session"
ALL_CHECKPOINTS = f"SELECT id, run, checkpoints.record FROM checkpoints {_OF_SESSIONS} checkpoints.session"
ALL_ENDED = (
    "SELECT sessions.id, run, ended.admitted, ended_at, ended.record, spec FROM ended "
    f"{_OF_SESSIONS} ended.session JOIN runs ON runs.session = ended.session AND runs.id = run"
)
ALL_REQUESTS = f"SELECT sessions.id, run, requests.id, requests.record FROM requests {_OF_SESSIONS} requests.session"
ALL_ENTRIES = (
    f"SELECT id, journal.revision, journal.record FROM journal {_OF_SESSIONS} journal.session ORDER BY journal.number"
)
STRAYS = "SELECT DISTINCT session FROM {} WHERE session NOT IN (SELECT number FROM sessions)"
ENDS_WITHOUT_RUN = (
    f"SELECT sessions.id, run FROM ended {_OF_SESSIONS} ended.session "
    "WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.session = ended.session AND runs.id = run)"
)
RESTING_AT_ODDS = (
    "SELECT id, revision FROM sessions WHERE rests_until IS NOT NULL "
    f"AND (busy OR performed < revision OR (state = 'stopped') <> (rests_until = {schema.OVER}))"
)
JOURNAL_EXTENTS = (
    "SELECT sessions.id, min(journal.revision), max(journal.revision), count(*), sessions.revision FROM journal "
    f"{_OF_SESSIONS} journal.session GROUP BY journal.session"
)

EXPORTED_MARKS = "SELECT name, value FROM marks WHERE name <> 'number' ORDER BY name"
EXPORTED_SESSIONS = (
    "SELECT sessions.number, id, revision, performed, state, busy, policies.record, sessions.record FROM sessions "
    "LEFT JOIN policies ON policies.number = policy ORDER BY id"
)
EXPORTED_SNAPSHOT = "SELECT revision, record FROM snapshots WHERE session = ?"
EXPORTED_RUNS = "SELECT id, admitted, key, spec FROM runs WHERE session = ? ORDER BY id"
EXPORTED_CHECKPOINTS = "SELECT run, record FROM checkpoints WHERE session = ? ORDER BY run"
EXPORTED_ENDED = "SELECT admitted, run, ended_at, record FROM ended WHERE session = ? ORDER BY admitted"
EXPORTED_REQUESTS = "SELECT run, id, record FROM requests WHERE session = ? ORDER BY run, id"
EXPORTED_ENTRIES = (
    "SELECT sessions.id, journal.revision, latest, journal.record FROM journal "
    f"{_OF_SESSIONS} journal.session ORDER BY journal.number"
)

IMPORT_SNAPSHOT, IMPORT_CHECKPOINT, IMPORT_REQUEST = (
    statement.replace(" OR REPLACE", "")
    for statement in (schema.KEEP_SNAPSHOT, schema.KEEP_CHECKPOINT, schema.KEEP_REQUEST)
)

REST_ALL = (
    f"UPDATE sessions SET rests_until = CASE WHEN state = 'stopped' THEN {schema.OVER} ELSE 0 END "
    "WHERE NOT busy AND performed >= revision"
)
"""What is said of a file that comes from elsewhere: whoever opens it looks at what may rest, a little at a time."""

DROP_POLICIES = "DELETE FROM policies WHERE number NOT IN (SELECT policy FROM sessions)"
