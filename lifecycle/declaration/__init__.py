"""Declare a machine, flatten it, judge it, run it. `transitions` is met in ``declaration.interchange`` only."""

from lifecycle.declaration.couplings import check_couplings
from lifecycle.declaration.explaining import Explanation, Option, Verdict
from lifecycle.declaration.judging import Fault, checked, declare, judge, readable
from lifecycle.declaration.machine import Machine
from lifecycle.declaration.running import Dispatch, Instance, Sent
from lifecycle.declaration.table import FlatRow, Table, flatten
from lifecycle.declaration.vocabulary import Guard, Hold, Row, Send, State

__all__ = [
    "Dispatch",
    "Explanation",
    "Fault",
    "FlatRow",
    "Guard",
    "Hold",
    "Instance",
    "Machine",
    "Option",
    "Row",
    "Send",
    "Sent",
    "State",
    "Table",
    "Verdict",
    "check_couplings",
    "checked",
    "declare",
    "flatten",
    "judge",
    "readable",
]
