"""Records: what comes back equals what went in, or is refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.errors import StoreError
from lifecycle.hooks import HOOKS
from lifecycle.kernel import Policy
from lifecycle.kernel import inputs as i
from lifecycle.kernel.inputs import INPUTS
from lifecycle.kernel.values import Ended, Found, Request, Run, RunSpec, Session
from lifecycle.store import Entry, record
from lifecycle.store.port import UNJOURNALLED, journalled
from lifecycle.store.record import Place

from .lives import Life, approved, entry_of, parked

HERE = Place("journal", "s-1", "of revision 1")
NUMBERS = st.integers(-(2**63), 2**63 - 1)
PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: NUMBERS,
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    NoneType: st.none(),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Draw values of a type: whatever its fields allow."""
    if hint in PLAIN:
        return PLAIN[hint]
    if get_origin(hint) in (Union, UnionType):
        return st.one_of([values(one) for one in get_args(hint)])
    if get_origin(hint) is tuple:
        first, *rest = get_args(hint)
        if rest == [...]:
            return st.lists(values(first), max_size=2).map(tuple)
        return st.tuples(*(values(one) for one in (first, *rest)))
    hints = get_type_hints(hint)
    drawn = {field.name for field in attrs.fields(hint)} - {*UNJOURNALLED.get(hint, ())}
    return st.builds(hint, **{name: values(hints[name]) for name in sorted(drawn)})


INPUT_VALUES = st.one_of([values(kind) for kind in INPUTS.values()])
HOOK_VALUES = st.one_of([values(kind) for kind in HOOKS.values()])
SUBJECTS = st.one_of(NUMBERS, st.text(max_size=4))
TEXTS = st.text(max_size=8)
MOVES = st.tuples(TEXTS, SUBJECTS, TEXTS, st.none() | TEXTS, TEXTS)
ENTRIES = st.builds(
    Entry,
    session=TEXTS,
    revision=NUMBERS,
    now=NUMBERS,
    input=INPUT_VALUES,
    moves=st.lists(MOVES, max_size=3).map(tuple),
    hooks=st.lists(HOOK_VALUES, max_size=3).map(tuple),
)


def same(expected: object, back: object) -> None:
    """Compare to the last detail: equality takes a 1 for a 1.0 and for a True."""
    assert expected == back
    assert hash(expected) == hash(back)
    assert type(expected) is type(back)
    assert repr(expected) == repr(back)


# -- there and back ---------------------------------------------------------------------------------------------------


@given(ENTRIES)
def test_entry_comes_back_exactly(entry: Entry) -> None:
    """Every kind of input and of hook, with whatever its fields allow, is the same afterwards."""
    same(entry, record.decode_entry(record.encode_entry(entry), HERE))


@pytest.mark.parametrize("kind", INPUTS.values(), ids=INPUTS)
def test_every_input_comes_back_exactly(kind: Any) -> None:
    """No kind of input is forgotten."""

    @given(values(kind))
    def comes_back(one: Any) -> None:
        entry = Entry("s-1", 1, 2, one, (), ())
        same(entry, record.decode_entry(record.encode_entry(entry), HERE))

    comes_back()


@given(values(Session))
def test_session_comes_back_exactly(session: Session) -> None:
    """A session is joined again with its policy, the specs of its runs and their checkpoints."""
    runs = {run.spec.id: run for run in session.unfinished()}
    if len(runs) < len(session.unfinished()):
        return

    def checkpoint_of(name: str) -> str:
        checkpoint = runs[name].checkpoint
        assert checkpoint is not None
        return checkpoint

    written = record.encode_session(session)
    back = record.decode_session(written, HERE, session.policy, lambda name: runs[name].spec, checkpoint_of)
    same(session, back)


@given(values(Ended))
def test_ended_run_comes_back_exactly(ended: Ended) -> None:
    """The record of an end is joined again with its spec."""
    same(ended, record.decode_ended(record.encode_ended(ended), HERE, ended.spec))


@given(values(RunSpec), values(Policy), values(Request), TEXTS)
def test_whole_value_comes_back_exactly(spec: RunSpec, policy: Policy, request: Request, text: str) -> None:
    """What is stored as it is, is the same afterwards."""
    same(spec, record.decode_spec(record.encode_whole(spec), HERE))
    same(policy, record.decode_policy(record.encode_whole(policy), HERE))
    same(request, record.decode_request(record.encode_whole(request), HERE))
    same(text, record.decode_checkpoint(record.encode_whole(text), HERE))


@given(ENTRIES)
def test_equal_values_have_equal_bytes(entry: Entry) -> None:
    """The bytes of a value depend on nothing but the value."""
    written = record.encode_entry(entry)
    assert written == record.encode_entry(record.decode_entry(written, HERE))


def test_what_was_found_is_not_written() -> None:
    """A field that no journal keeps is not in the record, and comes back as its default."""
    life = approved()
    ended = life.commits[-1].step.ended[0]
    given = i.AbortRun("r-1", "ada", found=Found(ended))
    written = record.encode_entry(Entry("s-1", 6, 7, given, (), ()))
    assert b"found" not in written
    assert journalled(given) == record.decode_entry(written, HERE).input == i.AbortRun("r-1", "ada")


def test_session_leaves_out_what_does_not_change() -> None:
    """Neither input nor checkpoint nor policy is written with a session."""
    life = Life()
    life.start(input="the whole input")
    life.begin()
    life.checkpoint("the whole checkpoint")
    written = record.encode_session(life.kept)
    assert b"the whole" not in written and b"orphan_grace" not in written


def test_record_can_be_read_by_people() -> None:
    """A record is one line: version, checksum, and JSON with fields and types by name."""
    entry = Entry("s-1", 3, 7, i.Begin("r-1", 2), (("run", "r-1", "begin", "starting", "running"),), ())
    assert (
        b'1 92d00cef {"session":"s-1","revision":3,"now":7,"moves":[["run","r-1","begin","starting","running"]],'
        b'"input":["Begin",{"run":"r-1","execution":2}],"hooks":[]}'
    ) == record.encode_entry(entry)


# -- versions ---------------------------------------------------------------------------------------------------------

FIELDS_OF_FORMAT_1 = {
    Session: "id incarnation revision state cause now policy head queue execution attachments orphan",
    Run: "spec state attempt segment remaining_us deadline queue_deadline requests answers checkpoint asked questions",
    Ended: "spec incarnation state cause who text result attempt segment ended_at",
}


@pytest.mark.parametrize("kind", FIELDS_OF_FORMAT_1, ids=lambda kind: kind.__name__)
def test_fields_of_a_format_are_settled(kind: Any) -> None:
    """A field that comes without a default, or goes, makes a new format: old records must go on being read."""
    required = " ".join(field.name for field in attrs.fields(kind) if field.default is attrs.NOTHING)
    assert FIELDS_OF_FORMAT_1[kind] == required


def test_missing_field_has_its_default() -> None:
    """A record from before a field was there is read as if it had the default."""
    for text, new in (('["AbortRun",{"run":"r","by":"a"}]', i.AbortRun("r", "a")), ('["Shutdown",{}]', i.Shutdown())):
        old = record.sealed((ENTRY % ("[]", text, "[]")).encode())
        assert new == record.decode_entry(old, HERE).input
    assert Policy() == record.decode_policy(record.sealed(b"{}"), HERE)


def test_newer_format_is_refused() -> None:
    """A record of a later version is not read as if it were of this one."""
    with pytest.raises(StoreError) as caught:
        record.decode_entry(b"17 " + record.encode_entry(entry_of(approved().commits[0]))[2:], HERE)
    assert (
        "session s-1: its record of revision 1 in journal has format 17, and this version reads up to 1; "
        "open the store with the version of lifecycle that wrote it"
    ) == str(caught.value)
    assert ("journal", "s-1", "of revision 1") == (caught.value.table, caught.value.session, caught.value.at)


# -- damage -----------------------------------------------------------------------------------------------------------


@given(st.data())
def test_any_flipped_byte_is_noticed(data: st.DataObject) -> None:
    """Whichever byte is another, the record is refused."""
    entry = entry_of(data.draw(st.sampled_from(approved().commits)))
    written = bytearray(record.encode_entry(entry))
    at = data.draw(st.integers(0, len(written) - 1))
    written[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(StoreError, match=r"session s-1: its record of revision 1 in journal (is damaged|has format)"):
        record.decode_entry(bytes(written), HERE)


@given(st.binary(max_size=40) | st.none() | st.integers() | st.text(max_size=9))
def test_anything_else_is_refused(found: object) -> None:
    """Whatever is found where a record should be, it is refused and nothing else is raised."""
    with pytest.raises(StoreError, match=r"is damaged|has format"):
        record.decode_spec(found, HERE)


ENTRY = '{"session":"s","revision":1,"now":2,"moves":%s,"input":%s,"hooks":%s}'
INPUT = '["Begin",{"run":"r","execution":2}]'
WRONG = [
    (
        ENTRY % ("[]", '["Lost",{"execution":"2"}]', "[]"),
        "$.input: Expected `int`, got `str` - at `$.execution`",
    ),
    (ENTRY % ("[]", '["AbortRun",{"run":7,"by":"a"}]', "[]"), "$.input: Expected `str`, got `int` - at `$.run`"),
    (ENTRY % ("[]", '["Forget",{}]', "[]"), "$.input: nothing is called Forget"),
    (ENTRY % ("[]", INPUT, '[["Sing",{}]]'), "$.hooks[0]: nothing is called Sing"),
    (ENTRY % ("[]", INPUT, '[["OpenSegment",{"run":"r"}]]'), "$.hooks[0]: Object missing required field `segment`"),
    (ENTRY % ('[["run"]]', INPUT, "[]"), "Expected `array` of length 5 - at `$.moves[0]`"),
    (
        ENTRY % ("[]", '["ExecutionSettled",{"execution":1,"token":2,"result":["Value",{"result":3}]}]', "[]"),
        "$.input.result: Expected `str | null`, got `int` - at `$.result`",
    ),
    ("{", "Input data was truncated"),
]


@pytest.mark.parametrize(("text", "where"), WRONG)
def test_wrong_field_is_refused_with_its_path(text: str, where: str) -> None:
    """A record that is whole but makes no sense is refused with the way to what makes none."""
    with pytest.raises(StoreError) as caught:
        record.decode_entry(record.sealed(text.encode()), HERE)
    assert f"session s-1: its record of revision 1 in journal is damaged ({where})" == (
        f"{caught.value.subject}: {caught.value.fact}"
    )


def test_wrong_field_of_a_session_is_refused_with_its_path() -> None:
    """Deep inside a session, too, the path leads to what is wrong."""
    written = record.encode_session(parked().kept)[record.HEADER_BYTES :]
    wrong = record.sealed(written.replace(b'"state":"waiting_for_human","attempt"', b'"state":7,"attempt"'))
    with pytest.raises(StoreError, match=r"Expected `str`, got `int` - at `\$\.head\.state`"):
        record.decode_session(wrong, HERE, Policy(), lambda name: None, lambda name: None)  # type: ignore[arg-type, return-value]


# -- without msgspec --------------------------------------------------------------------------------------------------

WITHOUT = """
import sys
sys.modules["msgspec"] = None
import lifecycle.store as store
from lifecycle.store.memory import MemoryStore
assert store.MemoryStore is MemoryStore
try:
    store.SQLiteStore
except ModuleNotFoundError as missing:
    print(missing)
"""


def test_memory_needs_no_msgspec() -> None:
    """Whoever keeps nothing on a disk installs nothing for it; who does is told what to install."""
    root = Path(__file__).resolve().parents[2]
    told = subprocess.run([sys.executable, "-c", WITHOUT], cwd=root, capture_output=True, text=True)
    assert "SQLiteStore: needs msgspec, which is not installed; pip install agent-lifecycle[sqlite]\n" == told.stdout
    assert "" == told.stderr


def test_missing_msgspec_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only for want of msgspec is it said to be missing; any other module that is missing is named as it is."""
    import lifecycle.store

    for name in ("lifecycle.store.sqlite", "lifecycle.store.record"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "msgspec", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install agent-lifecycle\[sqlite\]"):
            lifecycle.store.__getattr__("SQLiteStore")
    monkeypatch.setitem(sys.modules, "lifecycle.store.sqlite", None)
    with pytest.raises(ModuleNotFoundError, match=r"lifecycle\.store\.sqlite"):
        lifecycle.store.__getattr__("SQLiteStore")


def test_store_package_has_no_other_names() -> None:
    """What is not offered is not there."""
    import lifecycle.store

    with pytest.raises(AttributeError, match="no attribute 'RedisStore'"):
        lifecycle.store.RedisStore  # noqa: B018
