"""Policies that come with Tercel, trained on synthetic markets alone: each a folder with its network, card and figures.

A folder is called NAME-SEED; all of one NAME are a family, `NAME-all`. ``observations/NAME.json`` has statistics of the
market row and the order row (`execution.features`) on calm episodes, whatever the policies themselves observe: a drift
detector compares current rows with them.
"""

import math
import re
from functools import cache
from pathlib import Path
from typing import Final

from tercel.core.errors import UnknownNameError, offer
from tercel.execution.policies.policy import (
    CARD,
    OBSERVATIONS,
    CalmObservations,
    Card,
    read_card,
    read_observed,
)
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.strategies import MarketEstimates, build, wrap
from tercel.execution.strategy import Strategy

FOLDER: Final = Path(__file__).parent
# Behind a family's name: all its members.
ALL: Final = "-all"
# Folder of the figures that the policies of a family share.
SHARED: Final = "observations"


def names() -> tuple[str, ...]:
    """Policies that come with Tercel, those of one family by their seeds."""
    found = (path.parent.name for path in FOLDER.glob("*/card.json"))
    return tuple(
        sorted(found, key=lambda name: (stem(name), int(name[len(stem(name)) + 1 :] or 0)))
    )


def stem(name: str) -> str:
    """A policy's name without its training seed.

    >>> stem("default-12"), stem("default")
    ('default', 'default')
    """
    return re.sub(r"-\d+$", "", name)


def family(name: str) -> tuple[str, ...]:
    """Names of the packaged policies of a family: its name and a seed; empty for an unknown family.

    >>> DEFAULT in family("default"), family("unknown")
    (True, ())
    """
    return tuple(one for one in names() if one.startswith(f"{name}-"))


def shipped(name: str) -> str:
    """The packaged policy that `name` means.

    For a name without a seed that is the training seed which did best on validation episodes: so for `default`, the
    pre-trained policy.

    >>> shipped("default") == DEFAULT, shipped("twap_take")
    (True, 'twap_take')
    """
    seeds = [one for one in names() if one != name and stem(one) == name]
    scores = {one: read_card(FOLDER / one / CARD).scores.get("validation", {}) for one in seeds}
    return max(seeds, key=lambda one: float(scores[one].get("merit", -math.inf)), default=name)


DEFAULT: Final = shipped("default")


def folder_of(name: str) -> Path:
    """The folder of a packaged policy.

    Raises
    ------
    UnknownNameError
        No such policy; the nearest name is offered.
    """
    known = names()
    if name not in known:
        remedy = offer(
            name,
            [*known, *map(stem, known)],
            "take one of these" if known else "install Tercel with its data files",
        )
        raise UnknownNameError(
            f"one of {', '.join(known) or 'no'} packaged policies", f"{name!r}", remedy
        )
    return FOLDER / name


def packaged(name: str, shown_as: str = "") -> tuple[PolicyStrategy, Card]:
    """A packaged policy as a strategy, and its card.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    shown_as : str, optional
        Name in tables; the card's by default.

    >>> packaged("default-1")[0].name
    'default'
    """
    folder = folder_of(name)
    return policy_strategy(folder, shown_as), read_card(folder / CARD)


def named(name: str, estimates: MarketEstimates | None = None) -> Strategy:
    """Any strategy that comes with Tercel, learned or written, with or without wrappers.

    Parameters
    ----------
    name : str
        A rule's name, or that of a packaged policy or family; behind it ``+alpha`` or ``+posture``, one or
        both, such as ``default+alpha+posture``.
    estimates : MarketEstimates, optional
        For the rules that need them, and for what waiting costs.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`tercel.execution.strategies.build`.
    """
    base, *wrappers = name.split("+")
    if shipped(base) in names():
        return wrap(packaged(shipped(base), base)[0].knowing(estimates), wrappers)
    return build(name, estimates)


def observed(name: str) -> CalmObservations:
    """Statistics of a packaged policy's observations in calm episodes."""
    return read_observed(figures_of(folder_of(shipped(name))))


def figures_of(folder: Path) -> Path:
    """Path of the statistics of a policy's observations (it need not exist): beside its card or, for packaged policies,
    in the folder that they share."""
    own = folder / OBSERVATIONS
    if folder.parent != FOLDER or own.is_file():
        return own
    return FOLDER / SHARED / f"{stem(folder.name)}.json"


__all__ = [
    "SHARED",
    "CalmObservations",
    "family",
    "figures_of",
    "folder_of",
    "named",
    "names",
    "observed",
    "packaged",
    "read_observed",
    "shipped",
    "stem",
]


@cache
def card_of(weights: str) -> Card | None:
    """The card of the packaged policy whose weights have this hash, or one that begins so; None where none has.

    >>> card = read_card(folder_of(names()[0]) / CARD)
    >>> card_of(card.weights_sha256[:12]) == card, card_of("nothing")
    (True, None)
    """
    cards = (read_card(folder_of(name) / CARD) for name in names() if weights)
    return next((card for card in cards if card.weights_sha256.startswith(weights)), None)
