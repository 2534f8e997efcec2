"""Type-checked, never run: what a type checker knows of declarations."""

from __future__ import annotations

from typing import assert_type

from lifecycle.declaration import Dispatch, Instance, Machine, Row, Sent, State, Table, declare

DOOR = Machine("door", ("open", State("shut", final=True)), [Row("open", "push", "shut", "click")], "open")

assert_type(DOOR, Machine)
assert_type(DOOR.states, tuple[State, ...])
assert_type(DOOR.table, Table)
assert_type(DOOR.dispatch, Dispatch)
assert_type(DOOR.send("open", "push", is_oiled=True), Sent)
assert_type(DOOR.send("open", "push").state, str)
assert_type(DOOR.instance(), Instance)
assert_type(DOOR.instance().send("push"), Sent)
DOOR.send("open")  # type: ignore[call-arg]
DOOR.name = "gate"  # type: ignore[misc]
Row("open", "push", 3)  # type: ignore[arg-type]
declare("door", 1)  # type: ignore[arg-type, call-arg]
