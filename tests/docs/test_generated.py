"""Whatever is generated is fresh.

What lives here: the comparison of files with what their generators would write. What must not: a second generator. The
law of this file: a stale page fails, and ``make diagrams`` is the remedy.
"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from lifecycle.draw import files
from lifecycle.machines import DECLARED

from ..reliability.campaigns import CAMPAIGNS
from ..reliability.recording import definition

ROOT = Path(__file__).resolve().parent.parent.parent


def loaded(name: str) -> ModuleType:
    """Load a generator; it is a script of this project and no module of anybody's path."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = files()
STRAIGHT = loaded("straight/writing.py")


@pytest.mark.parametrize("name", FILES)
def test_pictures_are_fresh(name: str) -> None:
    """A picture is what its table says now."""
    assert FILES[name] == (ROOT / "diagrams" / name).read_text("utf-8"), "stale: run make diagrams"


def test_every_machine_has_its_pictures_and_none_is_left_over() -> None:
    """There is a picture, a diagram and a page of tables for each declared machine, and nothing else in the gallery."""
    forms = {f"{machine.name}{end}" for machine in DECLARED for end in (".svg", ".mmd", ".md")}
    assert {*forms, "README.md", "whole.svg", "life.svg"} == {one.name for one in (ROOT / "diagrams").iterdir()}


def test_straight_steps_are_fresh() -> None:
    """The straight steps are what the machines, routes, judges and holds say now; how they are laid out is no matter."""
    written, fresh = (ast.dump(ast.parse(text)) for text in (STRAIGHT.PAGE.read_text("utf-8"), STRAIGHT.page()))
    assert fresh == written, "stale: run make diagrams"


@pytest.mark.parametrize("name", ["lifecycle.svg", "counterexample.svg"])
def test_picture_of_a_page_is_fresh(name: str) -> None:
    """A picture beside the gallery is what is drawn now."""
    path = ROOT / "docs" / "explanation" / "pictures" / name
    assert loaded("docs/explanation/pictures.py").pages()[path] == path.read_text("utf-8"), "stale: run make diagrams"


@pytest.mark.parametrize("name", ["tables.md", "machines.md", "command.md"])
def test_reference_is_fresh(name: str) -> None:
    """A table of the reference is what the code says now; a page of the command line is what it prints."""
    reference = loaded("docs/reference/tables.py")
    path = ROOT / "docs" / "reference" / name
    assert reference.pages()[path] == path.read_text("utf-8"), "stale: run make diagrams"


RELIABILITY = loaded("docs/reference/reliability.py")
AGAIN = "stale: run python -m tests.reliability {0} --long --record, the same with --controls, then make diagrams"


def test_page_of_reliability_is_fresh() -> None:
    """The page of the campaigns is what the record says."""
    told = RELIABILITY.page(RELIABILITY.recorded())
    assert told == RELIABILITY.PAGE.read_text("utf-8"), "stale: run make diagrams"


def test_record_of_reliability_has_every_campaign_and_nothing_else() -> None:
    """Each campaign there is, and each of its controls, was run in earnest; none is told of that is gone."""
    there = {name: set(one.controls) for name, one in CAMPAIGNS.items()}
    assert there == {name: set(about["controls"]) for name, about in RELIABILITY.recorded().items()}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_record_of_reliability_is_of_what_a_campaign_does_now(name: str) -> None:
    """Figures were taken with the campaign as it is, as far as its long form goes; it found nothing, its controls did."""
    campaign, about = CAMPAIGNS[name], RELIABILITY.recorded()[name]
    figures, controls = about["figures"], about["controls"].values()
    assert (campaign.claim, campaign.unit) == (about["claim"], about["unit"])
    assert {definition(campaign)} == {one["definition"] for one in (figures, *controls)}, AGAIN.format(name)
    assert 0 == figures["violated"] and sum(figures["fired"].values())
    assert figures["covered"] >= campaign.long or not campaign.seeded
    assert all(one["violated"] for one in controls)
