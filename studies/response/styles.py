"""Styles that a market's response is measured with: written ones, the agent that ships, and two that no pilot ran."""

from dataclasses import dataclass
from typing import ClassVar, Final

from tercel import View
from tercel.execution import (
    AT_TOUCH,
    REST0,
    Intents,
    Peg,
    Strategy,
    finish_intents,
    ladder,
    take_to,
)
from tercel.execution.policies_packaged import build_named
from tercel.execution.strategies import MarketEstimates, build

ICEBERG_SHARE: Final = 10
"""An iceberg shows one lot in so many of its order."""
BLOCKS: Final = 3


@dataclass(frozen=True)
class Iceberg(Strategy):
    """A tenth of the order on show one tick inside the touch, made whole and moved along at every decision.

    >>> from tercel.execution.probe_views import view_of
    >>> Iceberg().decide(view_of(qty0=[95], left=[90]))[:, REST0:].tolist()
    [[10, 0, 0, 0, 0]]
    """

    name: ClassVar[str] = "iceberg"

    def decide(self, view: View) -> Intents:
        """Show a tenth."""
        intents = ladder(view)
        intents[:, REST0 + AT_TOUCH - 1] = -(-view.qty0 // ICEBERG_SHARE)
        return finish_intents(intents, view)


@dataclass(frozen=True)
class Blocks(Strategy):
    """Three equal takes, when a quarter, a half and three quarters of the decisions are over.

    >>> from tercel.execution.probe_views import view_of
    >>> Blocks().decide(view_of(qty0=90, left=[90, 90, 60], decision=[1, 2, 4], decisions=8))[:, 0].tolist()
    [0, 30, 30]
    """

    name: ClassVar[str] = "blocks"

    def decide(self, view: View) -> Intents:
        """Take what is missing to the blocks that are due."""
        due = (BLOCKS + 1) * view.decision // view.decisions
        return take_to(view.qty0 * due // BLOCKS, view)


@dataclass(frozen=True)
class NoTrading(Strategy):
    """Nothing at all: the horizon takes everything.

    >>> from tercel.execution.probe_views import view_of
    >>> NoTrading().decide(view_of(left=[90]))[:, REST0:].tolist()
    [[0, 0, 0, 0, 0]]
    """

    name: ClassVar[str] = "never"

    def decide(self, view: View) -> Intents:
        """Want nothing."""
        return finish_intents(ladder(view), view)


WRITTEN: Final = ("twap_take", "pov", "peg_touch", "peg_behind", "submit_and_leave")
AGENT: Final = "default-1"
JOINS: Final = "peg_touch"
"""The style that joins the touch: the bars of attraction are its."""


def styles(estimates: MarketEstimates) -> dict[str, Strategy]:
    """Everything that the response is measured with, by name."""
    found: dict[str, Strategy] = {name: build(name, estimates) for name in WRITTEN[:3]}
    found["jump1"] = Peg(-1)
    found |= {name: build(name, estimates) for name in WRITTEN[3:]}
    found[AGENT] = build_named(AGENT)
    return {**found, Iceberg.name: Iceberg(), Blocks.name: Blocks()}
