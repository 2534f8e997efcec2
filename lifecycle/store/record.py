"""Records: kernel values as bytes, and back.

What lives here: the codec of everything that a store with a disk keeps. What must not: tables, files. The law of this
file: what comes back equals what went in, or is refused by name; nothing is guessed.

A record is one line of text: the version of the format, a checksum, and JSON with its fields by name::

    1 5d41402a {"session":"s-1","revision":1, ...}

so that a later version may add a field that has a default, damage is noticed even where it left good JSON, and a person
can read a store with any tool. Inputs, hooks and results are written with the name of their type. What does not change
with every step (the spec of a run, its checkpoint, the policy) has records of its own, to which a session's record only
refers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import GenericAlias, UnionType
from typing import Any, NoReturn, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from zlib import crc32

import attrs
import msgspec

from lifecycle.errors import StoreError
from lifecycle.hooks import HOOKS
from lifecycle.kernel.inputs import INPUTS, Input
from lifecycle.kernel.replies import REPLIES, Rejection, Reply
from lifecycle.kernel.values import Ended, Policy, Request, Run, RunSpec, Session
from lifecycle.store.port import UNJOURNALLED, Entry

T = TypeVar("T")

FORMAT = 1
"""The version of the format; a record of a later one is refused."""

FIRST = b"%d " % FORMAT
HEADER_BYTES = len(FIRST) + 9
to_json = msgspec.json.Encoder().encode
Named = tuple[str, msgspec.Raw]


@attrs.frozen
class Place:
    """Say where a record was found: in which table, of which session (or of none), at which position there."""

    table: str
    session: str | None
    at: object

    def refuse(self, fact: str, remedy: str) -> NoReturn:
        """Refuse the record that was found here."""
        subject = "store" if self.session is None else f"session {self.session}"
        fields = {"table": self.table, "session": self.session, "at": self.at}
        raise StoreError(subject, f"its record {self.at} in {self.table} {fact}", remedy, **fields) from None

    def damaged(self, how: object) -> NoReturn:
        """Refuse a damaged record."""
        self.refuse(f"is damaged ({how})", "restore the file from a copy; the record was left as it is")


# -- the envelope -----------------------------------------------------------------------------------------------------


def sealed(body: bytes) -> bytes:
    """Put version and checksum before the text."""
    return b"%b%08x " % (FIRST, crc32(body)) + body


def unsealed(record: object, place: Place) -> bytes:
    """Take version and checksum off; refuse a record that is newer or damaged."""
    if not isinstance(record, bytes):
        place.damaged("it is not there" if record is None else f"it is {type(record).__name__}, not bytes")
    version = record.partition(b" ")[0]
    if len(version) < HEADER_BYTES and version.isdigit() and int(version) > FORMAT:
        newer = f"has format {int(version)}, and this version reads up to {FORMAT}"
        place.refuse(newer, "open the store with the version of lifecycle that wrote it")
    body = record[HEADER_BYTES:]
    if record != sealed(body):
        place.damaged("its checksum is wrong")
    return body


def decoded(decoder: msgspec.json.Decoder[T], text: bytes | msgspec.Raw, place: Place, path: str = "") -> T:
    """Decode a text, or refuse it with the path to what is wrong; ``path`` leads to the text itself."""
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError) as fault:
        place.damaged(f"{path}: {fault}" if path else fault)


# -- values that are stored in another shape --------------------------------------------------------------------------


class Shape:
    """The stored shape of a value: ``leave`` names fields left out, ``replace`` gives others their stored type.

    ``store(value, *replaced)`` makes the stored shape and ``restore(stored, *left_and_replaced)`` the value, both with
    the extra fields in the order given here. A field that is none takes no room; one that is missing has its default,
    and any default but none is written out, because defaults may change.
    """

    __slots__ = ("decoder", "restore", "store", "struct")

    def __init__(self, kind: type, leave: tuple[str, ...] = (), replace: Mapping[str, object] | None = None) -> None:
        replace = replace or {}
        hints = {**get_type_hints(kind), **replace}
        fields = {field.name: field for field in fields_of(kind)}
        same = [name for name in fields if name not in leave and name not in replace]
        definition = sorted((stored_field(fields[name], hints[name]) for name in (*same, *replace)), key=len)
        self.struct: Any = msgspec.defstruct(f"Stored{kind.__name__}", definition, omit_defaults=True)
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self.struct)
        extra = [name for name in (*leave, *replace) if fields[name].metadata.get("journal", True)]
        order = [field[0] for field in definition]
        self.store: Callable[..., Any] = made_from(self.struct, order, [*replace])
        self.restore: Callable[..., Any] = made_from(kind, [*same, *extra], extra, by_name=True)


def fields_of(kind: type) -> tuple[attrs.Attribute[Any], ...]:
    """Return the fields of a value, in order."""
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cast("type[attrs.AttrsInstance]", kind))
    return fields


def stored_field(field: attrs.Attribute[Any], hint: Any) -> tuple[str, Any] | tuple[str, Any, Any]:
    """Return the definition of a stored field."""
    if field.default is attrs.NOTHING:
        return (field.name, hint, None) if type(None) in get_args(hint) else (field.name, hint)
    if field.default is None:
        return (field.name, hint, None)
    return (field.name, hint, msgspec.field(default_factory=lambda: field.default))


def made_from(kind: type, names: list[str], given: list[str], by_name: bool = False) -> Callable[..., Any]:
    """Write a function that makes one record of another, some fields given: three times as fast as a loop."""
    values = {name: name if name in given else f"_was.{name}" for name in names}
    arguments = (f"{name}={value}" if by_name else value for name, value in values.items())
    source = f"lambda {', '.join(['_was', *given])}: _kind({', '.join(arguments)})"
    return cast("Callable[..., Any]", eval(source, {"_kind": kind}))


def members_of(hint: object) -> dict[str, type]:
    """Return the values of a union of several by name; no JSON tells them apart without it."""
    if get_origin(hint) not in (Union, UnionType):
        return {}
    kinds = {kind.__name__: kind for kind in get_args(hint) if attrs.has(kind)}
    return kinds if len(kinds) > 1 else {}


def decoders_of(kinds: Mapping[str, type]) -> dict[str, msgspec.json.Decoder[Any]]:
    """Make a decoder for each kind."""
    return {name: msgspec.json.Decoder(kind) for name, kind in kinds.items()}


def of_its_kind(decoders: Mapping[str, msgspec.json.Decoder[Any]], named: Named, place: Place, path: str) -> Any:
    """Decode what was written with the name of its type."""
    name, text = named
    decoder = decoders.get(name)
    if decoder is None:
        place.damaged(f"{path}: nothing is called {name}")
    return decoded(decoder, text, place, path)


# -- inputs -----------------------------------------------------------------------------------------------------------


class InputShape:
    """The stored shape of a kind of input that has fields which no journal keeps, or a union among its fields."""

    __slots__ = ("shape", "store", "unions")

    def __init__(self, kind: type, leave: tuple[str, ...], unions: Mapping[str, Mapping[str, type]]) -> None:
        self.unions = {field: decoders_of(kinds) for field, kinds in unions.items()}
        self.shape = Shape(kind, leave, dict.fromkeys(unions, Named | None))
        self.store = self.store_named if unions else self.shape.store

    def store_named(self, given: Any) -> Any:
        """Return the stored shape; members of unions get the name of their type."""
        return self.shape.store(given, *(named(getattr(given, field)) for field in self.unions))

    def restore(self, text: bytes | msgspec.Raw, place: Place, path: str) -> Any:
        """Return the input."""
        stored = decoded(self.shape.decoder, text, place, path)
        found = []
        for field, decoders in self.unions.items():
            part = getattr(stored, field)
            found.append(None if part is None else of_its_kind(decoders, part, place, f"{path}.{field}"))
        return self.shape.restore(stored, *found)


def named(value: object) -> tuple[str, object] | None:
    """Put the name of its type before a value; none stays none."""
    return None if value is None else (value.__class__.__name__, value)


def input_shapes() -> dict[str, InputShape]:
    """Return the shapes of those kinds of input that are not stored as they are."""
    shapes = {}
    for name, kind in INPUTS.items():
        unions = {field: kinds for field, hint in get_type_hints(kind).items() if (kinds := members_of(hint))}
        if unions or UNJOURNALLED[kind]:
            shapes[name] = InputShape(kind, tuple(UNJOURNALLED[kind]), unions)
    return shapes


INPUT_SHAPES = input_shapes()
PLAIN_INPUTS = decoders_of({name: kind for name, kind in INPUTS.items() if name not in INPUT_SHAPES})
HOOK_DECODERS = decoders_of(HOOKS)


def stored_input(given: Input) -> tuple[str, object]:
    """Return the stored shape of an input, with the name of its type."""
    name = given.__class__.__name__
    shape = INPUT_SHAPES.get(name)
    return name, given if shape is None else shape.store(given)


def restored_input(stored: Named, place: Place) -> Any:
    """Return the input."""
    name, text = stored
    shape = INPUT_SHAPES.get(name)
    if shape is None:
        return of_its_kind(PLAIN_INPUTS, stored, place, "$.input")
    return shape.restore(text, place, "$.input")


# -- the journal ------------------------------------------------------------------------------------------------------

ENTRY = Shape(Entry, replace={"input": Named, "hooks": tuple[Named, ...]})


def encode_entry(entry: Entry) -> bytes:
    """Encode an entry of the journal."""
    hooks = [(hook.__class__.__name__, hook) for hook in entry.hooks]
    return sealed(to_json(ENTRY.store(entry, stored_input(entry.input), hooks)))


def decode_entry(record: object, place: Place) -> Entry:
    """Decode an entry of the journal."""
    stored = decoded(ENTRY.decoder, unsealed(record, place), place)
    given = restored_input(stored.input, place)
    hooks = (of_its_kind(HOOK_DECODERS, hook, place, f"$.hooks[{at}]") for at, hook in enumerate(stored.hooks))
    return cast("Entry", ENTRY.restore(stored, given, tuple(hooks)))


# -- sessions ---------------------------------------------------------------------------------------------------------

RUN = Shape(Run, replace={"spec": str, "checkpoint": bool})
RUNS = GenericAlias(tuple, (RUN.struct, ...))
SESSION = Shape(Session, leave=("policy",), replace={"head": RUN.struct | None, "queue": RUNS})

SpecOf = Callable[[str], RunSpec]
CheckpointOf = Callable[[str], str | None]


def stored_run(run: Run) -> Any:
    """Return the stored shape of an unfinished run: its spec by id, and whether it has a checkpoint."""
    return RUN.store(run, run.spec.id, run.checkpoint is not None)


def encode_session(session: Session) -> bytes:
    """Encode what a step can change of a session, checkpoints and policy apart."""
    head, queue = session.head, session.queue
    stored_head = None if head is None else stored_run(head)
    return sealed(to_json(SESSION.store(session, stored_head, [stored_run(run) for run in queue] if queue else ())))


def decode_session(
    record: object, place: Place, policy: Policy, spec_of: SpecOf, checkpoint_of: CheckpointOf
) -> Session:
    """Decode a session and join what it refers to."""

    def run(stored: Any) -> Run:
        checkpoint = checkpoint_of(stored.spec) if stored.checkpoint else None
        return cast("Run", RUN.restore(stored, spec_of(stored.spec), checkpoint))

    stored = decoded(SESSION.decoder, unsealed(record, place), place)
    head = None if stored.head is None else run(stored.head)
    return cast("Session", SESSION.restore(stored, policy, head, tuple(run(queued) for queued in stored.queue)))


# -- what a session refers to, and what has ended ---------------------------------------------------------------------

ENDED = Shape(Ended, leave=("spec",))
SPECS = msgspec.json.Decoder(RunSpec)
POLICIES = msgspec.json.Decoder(Policy)
REQUESTS = msgspec.json.Decoder(Request)
SNAPSHOTS = msgspec.json.Decoder(Session)
TEXTS = msgspec.json.Decoder(str)


def encode_ended(ended: Ended) -> bytes:
    """Encode how a run ended; its spec is kept already."""
    return sealed(to_json(ENDED.store(ended)))


def decode_ended(record: object, place: Place, spec: RunSpec) -> Ended:
    """Decode how a run ended and join its spec."""
    return cast("Ended", ENDED.restore(decoded(ENDED.decoder, unsealed(record, place), place), spec))


def encode_whole(value: RunSpec | Policy | Request | Session | str) -> bytes:
    """Encode a value that is stored as it is."""
    return sealed(to_json(value))


def decode_spec(record: object, place: Place) -> RunSpec:
    """Decode what never changes about a run."""
    return decoded(SPECS, unsealed(record, place), place)


def decode_policy(record: object, place: Place) -> Policy:
    """Decode a policy."""
    return decoded(POLICIES, unsealed(record, place), place)


def decode_request(record: object, place: Place) -> Request:
    """Decode a closed request."""
    return decoded(REQUESTS, unsealed(record, place), place)


def decode_snapshot(record: object, place: Place) -> Session:
    """Decode a session that refers to nothing: it outlives its specs and checkpoints."""
    return decoded(SNAPSHOTS, unsealed(record, place), place)


def decode_checkpoint(record: object, place: Place) -> str:
    """Decode a checkpoint."""
    return decoded(TEXTS, unsealed(record, place), place)


# -- the inbox --------------------------------------------------------------------------------------------------------

ASKED = msgspec.json.Decoder(Named)
REPLY_DECODERS = decoders_of(REPLIES)


def encode_asked(given: Input) -> bytes:
    """Encode a request from elsewhere."""
    return sealed(to_json(stored_input(given)))


def decode_asked(record: object, place: Place) -> Input:
    """Decode a request from elsewhere."""
    return cast("Input", restored_input(decoded(ASKED, unsealed(record, place), place), place))


def encode_reply(reply: Reply) -> bytes:
    """Encode the reply to a request from elsewhere."""
    return sealed(to_json(named(reply)))


def decode_reply(record: object, place: Place) -> Reply:
    """Decode a reply; what a rejection lists comes back as tuples, which is how it went in."""
    reply = of_its_kind(REPLY_DECODERS, decoded(ASKED, unsealed(record, place), place), place, "$")
    if isinstance(reply, Rejection):
        fields = tuple((name, tuple(of) if isinstance(of, list) else of) for name, of in reply.fields)
        return Rejection(reply.error, reply.subject, reply.fact, reply.remedy, fields)
    return cast("Reply", reply)
