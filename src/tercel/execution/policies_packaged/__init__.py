"""Policies that come with Tercel, trained on synthetic markets alone: each a folder with its network, card and figures.

Beside ``policy.onnx`` and ``card.json`` lies ``observations.json``: what Observation-v1 showed on calm episodes of the
market that the policy was trained for, whatever the policy itself observes. A drift detector holds what it sees now
against that.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import PolicyError, UnknownNameError
from tercel.core.names import offer
from tercel.execution.observation import OBS_NAMES
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.policies.strategy import PolicyStrategy, policy_strategy
from tercel.execution.strategies import MarketEstimates, build, wrap
from tercel.execution.strategy import Strategy

Floats = NDArray[np.float64]
FOLDER: Final = Path(__file__).parent
OBSERVATIONS: Final = "observations.json"
LEARNED: Final = ("ppo", "dqn")
DEFAULT_MARKET: Final = "csco-santa-fe"
DEFAULT: Final = "default-csco"
"""What `default` stands for: the policy that ships."""
LEVELS: Final = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
"""Quantiles that :class:`Observed` keeps."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Each observation entry over the decisions of calm episodes.

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
    def of(cls, observations: Floats, episodes: int, market: str, command: str) -> "Observed":
        """Figures of float (n, D) observations."""
        values = np.asarray(observations, np.float64)
        quantiles = np.quantile(values, LEVELS, axis=0)
        return cls(OBS_NAMES, values.mean(0), values.std(0, ddof=1), quantiles, len(values), episodes, market, command)

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
                    self.entries, self.mean.tolist(), self.sd.tolist(), self.quantiles.T.tolist(), strict=True
                )
            },
        }
        return json.dumps(plain, indent=1) + "\n"


def read_observed(path: Path) -> Observed:
    """The figures in a file.

    Raises
    ------
    PolicyError
        When it is missing or none.
    """
    try:
        raw = json.loads(path.read_text())
        entries = raw["entries"]
        columns = [[entry[key] for entry in entries.values()] for key in ("mean", "sd", "quantiles")]
        mean, sd, quantiles = (np.array(column, np.float64) for column in columns)
        counts = int(raw["decisions"]), int(raw["episodes"])
        return Observed(tuple(entries), mean, sd, quantiles.T, *counts, str(raw["market"]), str(raw["command"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        remedy = "package the policy again"
        raise PolicyError("figures of a policy's observations", f"{path}: {error}", remedy) from error


def names() -> tuple[str, ...]:
    """Policies that come with Tercel."""
    return tuple(sorted(path.parent.name for path in FOLDER.glob("*/card.json")))


def shipped(name: str) -> str:
    """The packaged policy that `name` stands for: `default`, or "ppo" or "dqn" for the one of the default market.

    >>> shipped("dqn"), shipped("twap_take")
    ('dqn-csco-santa-fe', 'twap_take')
    """
    if name == "default":
        return DEFAULT
    return f"{name}-{DEFAULT_MARKET}" if name in LEARNED else name


def folder_of(name: str) -> Path:
    """The folder of a packaged policy.

    Raises
    ------
    UnknownNameError
        No such policy; the nearest name is offered.
    """
    known = names()
    if name not in known:
        remedy = offer(name, known, "take one of these" if known else "install Tercel with its data files")
        raise UnknownNameError(f"one of {', '.join(known) or 'no'} packaged policies", f"{name!r}", remedy)
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
        behind it ``+alpha``, ``+posture`` or both, such as ``ppo+alpha+posture``.
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


def observed(name: str) -> Observed:
    """What a packaged policy observed on calm episodes."""
    return read_observed(folder_of(name) / OBSERVATIONS)


__all__ = ["Observed", "folder_of", "named", "names", "observed", "packaged", "read_observed", "shipped"]
