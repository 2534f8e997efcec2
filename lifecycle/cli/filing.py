"""Filing: verdicts as files for tools.

What lives here: JUnit XML, and writing a file. What must not: a verdict. The law of this file: what proves nothing is no
success to any tool: refuted is a failure, undetermined an error.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from lifecycle.check.verdict import REFUTED, UNDETERMINED
from lifecycle.errors import Invalid


@attrs.frozen
class Case:
    """One property: its name and sentence, the verdict, what is missing, and how it is broken."""

    name: str
    sentence: str
    status: str
    why: str = ""
    story: str = ""


def suite(of: str, cases: Sequence[Case], facts: Mapping[str, str], seconds: float) -> str:
    """Write properties as JUnit XML; ``facts`` say what was looked at, and how far."""
    statuses = [one.status for one in cases]
    root = ET.Element("testsuite", name="lifecycle check", tests=str(len(cases)), time=f"{seconds:.3f}")
    root.attrib.update(failures=str(statuses.count(REFUTED)), errors=str(statuses.count(UNDETERMINED)))
    properties = ET.SubElement(root, "properties")
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=value)
    for one in cases:
        case = ET.SubElement(root, "testcase", classname=of, name=one.name)
        if one.status == REFUTED:
            ET.SubElement(case, "failure", message=one.sentence).text = one.story
        elif one.status == UNDETERMINED:
            ET.SubElement(case, "error", message=f"undetermined: {one.why}")
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def writable(*paths: Path | None) -> None:
    """Refuse, before any work is done, files whose folder is not there."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise Invalid(f"file {path}", "there is no such folder", "make it, or name another file")


def write_file(path: Path, content: str) -> None:
    """Write a file; say in one sentence why not."""
    try:
        path.write_text(content, "utf-8")
    except OSError as fault:
        raise Invalid(f"file {path}", f"it cannot be written ({fault.strerror})", "name another") from None
