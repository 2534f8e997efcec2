"""All campaigns, by name.

What lives here: the list. What must not: anything else. The law of this file: what is not listed is not run.
"""

from __future__ import annotations

from .campaign import Campaign
from .cuts import PowerCuts
from .damage import Damage
from .disk import FailingDisks
from .golden import GoldenJournals
from .kills import Kills
from .processes import Processes
from .sameness import Sameness
from .soak import Soak

EVERY: tuple[Campaign, ...] = (
    Kills(),
    PowerCuts(),
    Damage(),
    FailingDisks(),
    Soak(),
    Sameness(),
    GoldenJournals(),
    Processes(),
)
CAMPAIGNS: dict[str, Campaign] = {one.name: one for one in EVERY}
