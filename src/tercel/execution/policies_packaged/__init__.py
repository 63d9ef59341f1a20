"""Policies that come with Tercel, trained on synthetic markets alone: each a folder with its network, card and figures.

A folder is called NAME-MARKET-SEED, or NAME-SEED where one network is made for several markets; all of one NAME are a
family, `NAME-all`. Beside ``policy.onnx`` and ``card.json`` lies ``observations.json``: what Observation-v1 showed on
calm episodes of the market that the policy was trained for, whatever the policy itself observes; policies that differ
in their training seed share one, ``observations/NAME-MARKET.json``. A drift detector holds what it sees now against it.
"""

import json
import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import PolicyError, UnknownNameError
from tercel.core.names import offer
from tercel.execution.observation import OBS_NAMES
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.strategies import MarketEstimates, build, wrap
from tercel.execution.strategy import Strategy

FOLDER: Final = Path(__file__).parent
OBSERVATIONS: Final = "observations.json"
LEARNED: Final = ("ppo", "dqn")
DEFAULT_MARKET: Final = "csco-santa-fe"
HOME: Final = "csco"
"""The market whose policy a family's name stands for, where each market has its own."""
ALL: Final = "-all"
"""Behind a family's name: all its members."""
SHARED: Final = "observations"
"""Folder of the figures that policies share."""
LEVELS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles that :class:`CalmObservations` keeps."""


@dataclass(frozen=True, eq=False)
class CalmObservations:
    """Mean, standard deviation and quantiles of each observation entry over calm episodes.

    Parameters
    ----------
    entries : tuple of str
        Names, in the policy's order (D).
    mean, sd : float64 (D,)
    quantiles : float64 (len(LEVELS), D)
    decisions, episodes : int
        Behind the figures; decisions of one episode are not independent.
    market, command : str
        Where, and what printed them.
    """

    entries: tuple[str, ...]
    mean: Floats
    sd: Floats
    quantiles: Floats
    decisions: int
    episodes: int
    market: str
    command: str

    @classmethod
    def of(
        cls, observations: Floats, episodes: int, market: str, command: str
    ) -> "CalmObservations":
        """Statistics of observations float (n, D)."""
        values = np.asarray(observations, np.float64)
        quantiles = np.quantile(values, LEVELS, axis=0)
        return cls(
            OBS_NAMES,
            values.mean(0),
            values.std(0, ddof=1),
            quantiles,
            len(values),
            episodes,
            market,
            command,
        )

    def to_json(self) -> str:
        """A JSON object that :func:`read_observed` reads."""
        plain = {
            "market": self.market,
            "command": self.command,
            "episodes": self.episodes,
            "decisions": self.decisions,
            "levels": list(LEVELS),
            "entries": {
                name: {"mean": mean, "sd": sd, "quantiles": q}
                for name, mean, sd, q in zip(
                    self.entries,
                    self.mean.tolist(),
                    self.sd.tolist(),
                    self.quantiles.T.tolist(),
                    strict=True,
                )
            },
        }
        return json.dumps(plain, indent=1) + "\n"


def read_observed(path: Path) -> CalmObservations:
    """The figures in a file.

    Raises
    ------
    PolicyError
        When it is missing or none.
    """
    try:
        raw = json.loads(path.read_text())
        entries = raw["entries"]
        columns = [
            [entry[key] for entry in entries.values()] for key in ("mean", "sd", "quantiles")
        ]
        mean, sd, quantiles = (np.array(column, np.float64) for column in columns)
        counts = int(raw["decisions"]), int(raw["episodes"])
        return CalmObservations(
            tuple(entries), mean, sd, quantiles.T, *counts, str(raw["market"]), str(raw["command"])
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "package the policy again"
        raise PolicyError(
            "figures of a policy's observations", f"{path}: {error}", remedy
        ) from error


def names() -> tuple[str, ...]:
    """Policies that come with Tercel, those of one family and market by their seeds."""
    return tuple(sorted((path.parent.name for path in FOLDER.glob("*/card.json")), key=_by_seed))


def stem(name: str) -> str:
    """A policy's name without its training seed.

    >>> stem("default-csco-12"), stem("ppo-csco-santa-fe")
    ('default-csco', 'ppo-csco-santa-fe')
    """
    return re.sub(r"-\d+$", "", name)


def _by_seed(name: str) -> tuple[str, int]:
    base = stem(name)
    return base, int(name[len(base) + 1 :] or 0)


def family(name: str) -> tuple[str, ...]:
    """Packaged policies of a family, empty if there is none: their names are the family's and a market, a seed or both.

    >>> DEFAULT in family("default"), family("nobody")
    (True, ())
    """
    return tuple(one for one in names() if one.startswith(f"{name}-"))


def shipped(name: str) -> str:
    """The packaged policy that `name` stands for.

    For a name without a seed that is the training seed which did best on validation episodes, of `csco` where each
    market has a network of its own: so for `default`, the policy that ships. And "ppo" and "dqn" stand for the ones of
    the market that they are shown in.

    >>> shipped("dqn"), shipped("default") == DEFAULT, shipped("twap_take")
    ('dqn-csco-santa-fe', True, 'twap_take')
    """
    if name in LEARNED:
        return f"{name}-{DEFAULT_MARKET}"
    seeds = [
        one
        for base in (name, f"{name}-{HOME}")
        for one in names()
        if one != base and stem(one) == base
    ]
    return max(seeds, key=_validated, default=name)


def _validated(name: str) -> float:
    """What a packaged policy gained on validation episodes; least of all where its card does not say."""
    return float(
        dict(read_card(FOLDER / name / CARD).scores.get("validation", {})).get("merit", -math.inf)
    )


DEFAULT: Final = shipped("default")
"""The policy that ships."""


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
        Name in tables; the card's by default, "ppo" or "dqn".

    >>> packaged("ppo-csco-santa-fe")[0].name
    'ppo'
    """
    folder = folder_of(name)
    return policy_strategy(folder, shown_as), read_card(folder / CARD)


def named(name: str, estimates: MarketEstimates | None = None) -> Strategy:
    """Any strategy that comes with Tercel, learned or written, with or without wrappers.

    Parameters
    ----------
    name : str
        A written strategy's name, that of a packaged policy, or "ppo" or "dqn" for the one of the default market;
        behind it ``+alpha`` or ``+posture``, one or both, such as ``ppo+alpha+posture``.
    estimates : MarketEstimates, optional
        For the written strategies that need them.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`tercel.execution.strategies.build`.
    """
    base, *wrappers = name.split("+")
    if shipped(base) in names():
        return wrap(packaged(shipped(base), base)[0], wrappers)
    return build(name, estimates)


def observed(name: str) -> CalmObservations:
    """Statistics of a packaged policy's observations in calm episodes."""
    own = folder_of(shipped(name)) / OBSERVATIONS
    return read_observed(own if own.is_file() else FOLDER / SHARED / f"{stem(shipped(name))}.json")


__all__ = [
    "SHARED",
    "CalmObservations",
    "family",
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
