"""Policies that come with Tercel, trained on synthetic markets alone: each a folder with its network, card and figures.

A folder is called NAME-SEED; all of one NAME are a family, `NAME-all`. ``observations/NAME.json`` has statistics of the
market row and the order row (`execution.features`) on calm episodes, whatever the policies themselves observe: a drift
detector compares current rows with them.
"""

from functools import cache
from pathlib import Path
from typing import Final

from tercel.execution.policies.calm_observations import (
    OBSERVATIONS,
    CalmObservations,
    read_calm_observations,
)
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.folder import CARD
from tercel.execution.policies.packaged_folders import (
    FOLDER,
    family,
    folder_of,
    packaged_names,
    resolve_packaged,
    stem,
)
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.strategies import MarketEstimates, build, wrap
from tercel.execution.strategy import Strategy

# Behind a family's name: all its members.
ALL: Final = "-all"
# Folder of the figures that the policies of a family share.
SHARED: Final = "observations"


__all__ = [
    "SHARED",
    "CalmObservations",
    "build_named",
    "family",
    "figures_of",
    "folder_of",
    "load_packaged",
    "packaged_names",
    "read_calm_observations",
    "resolve_packaged",
    "stem",
]


DEFAULT: Final = resolve_packaged("default")


def load_packaged(name: str, shown_as: str = "") -> tuple[PolicyStrategy, Card]:
    """A packaged policy as a strategy, called `shown_as` in tables, and its card; UnknownNameError for another name.

    Parameters
    ----------
    name : str
        One of :func:`packaged_names`.
    shown_as : str, optional
        Name in tables; the card's by default.

    >>> load_packaged("default-1")[0].name
    'default'
    """
    folder = folder_of(name)
    return policy_strategy(folder, shown_as), read_card(folder / CARD)


def build_named(name: str, estimates: MarketEstimates | None = None) -> Strategy:
    """Build any shipped strategy by name, learned or rule, with wrappers such as `+alpha`; a family is its best member.

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
    if resolve_packaged(base) in packaged_names():
        return wrap(
            load_packaged(resolve_packaged(base), base)[0].with_estimates(estimates), wrappers
        )
    return build(name, estimates)


def figures_of(folder: Path) -> Path:
    """Path of the statistics of a policy's observations (it need not exist): beside its card or, for packaged policies,
    in the folder that they share."""
    own_file = folder / OBSERVATIONS
    if folder.parent != FOLDER or own_file.is_file():
        return own_file
    return FOLDER / SHARED / f"{stem(folder.name)}.json"


@cache
def card_of(weights: str) -> Card | None:
    """Card of the packaged policy whose weights have this hash (or hash prefix); None if there is none, or for "".

    >>> card = read_card(folder_of(packaged_names()[0]) / CARD)
    >>> card_of(card.weights_sha256[:12]) == card, card_of("nothing")
    (True, None)
    """
    cards = (read_card(folder_of(name) / CARD) for name in packaged_names() if weights)
    return next((card for card in cards if card.weights_sha256.startswith(weights)), None)
