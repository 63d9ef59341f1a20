"""Regimes: factors on the rates of a flow, phase by phase, and the named ones.

The volatility, depth and drift of a market in a named regime follow from its flow; `python -m studies regimes` measures
them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError, UnknownNameError, suggest_name
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.simulator import layout as sim

MAX_FACTOR: Final = 1000.0
"""Factors beyond this, or below one over it, are a slip."""


@dataclass(frozen=True)
class Factors:
    """Factors on a flow's rates; all ones leave the market as calibrated.

    Parameters
    ----------
    limit, market, cancel : float
        On limit orders, market orders, and the rate at which each resting order dies.
    pace : float
        On all of them: the same market in another time.
    lean : float
        From -1 (market orders only sell) to 1 (only buy): buyers' share is (1 + lean) / 2.
    """

    limit: float = 1.0
    market: float = 1.0
    cancel: float = 1.0
    pace: float = 1.0
    lean: float = 0.0

    def __post_init__(self) -> None:
        """Refuse factors out of range or that stop the market."""
        for name in ("limit", "market", "cancel", "pace"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 1 / MAX_FACTOR <= value <= MAX_FACTOR):
                raise ConfigError(
                    f"a factor {name} from {1 / MAX_FACTOR:g} to {MAX_FACTOR:g}",
                    f"{value!r}",
                    "1 changes nothing",
                )
        if not -1.0 <= self.lean <= 1.0:
            raise ConfigError(
                "a lean from -1 (all sell) to 1 (all buy)", f"{self.lean!r}", "0 leans to neither"
            )

    @property
    def values(self) -> tuple[float, ...]:
        """Factors in the order of the state: limit, market, cancel, pace, lean."""
        return tuple(float(getattr(self, field.name)) for field in fields(self))


def impose(states: Ints, factors: Factors) -> None:
    """Put factors in force in markets from their next event on; any regime law is replaced.

    Parameters
    ----------
    states : int64 (..., >= GRID)
        Of one market or of a batch; changed.
    """
    states[..., sim.REGIME] = 1
    states[..., sim.REGIME_NS] = FOREVER_NS
    states[..., sim.LIMIT_FACTOR : sim.LEAN + 1] = np.array(factors.values).view(np.int64)


@dataclass(frozen=True)
class Phase:
    """Factors that are in force for `seconds`; 0: to the end of the regime (the last phase alone)."""

    factors: Factors
    seconds: float = 0.0


@dataclass(frozen=True)
class Regime:
    """A named market state.

    Parameters
    ----------
    name : str
    phases : tuple of Phase
        One after another; all but the last have a length.
    """

    name: str
    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        """Refuse a regime whose phases before the last never end."""
        lengths = [phase.seconds for phase in self.phases]
        if (
            not self.name
            or not lengths
            or lengths[-1] != 0.0
            or any(not 0 < s < 1e6 for s in lengths[:-1])
        ):
            raise ConfigError(
                "a named regime of phases with a length each, the last without (0)",
                f"{self.name!r}: {lengths}",
                "see market.regimes.named",
            )

    @property
    def passes_s(self) -> float:
        """Seconds until a scripted regime ends by itself; 0: it stays."""
        return sum(phase.seconds for phase in self.phases)


def steady(name: str, factors: Factors) -> Regime:
    """A regime of one phase with these factors."""
    return Regime(name, (Phase(factors),))


PLAIN: Final = steady("plain", Factors())
"""The market as it was calibrated."""
CALM: Final = steady("calm", Factors(limit=1.25, market=0.8, pace=0.6))
VOLATILE: Final = steady("volatile", Factors(limit=0.6, market=0.95, pace=2.0))
THIN: Final = steady("thin", Factors(limit=0.45, market=0.6))
TRENDING: Final = steady("trending", Factors(lean=0.15))
LIQUIDITY_WITHDRAWAL: Final = Regime(
    "liquidity_withdrawal",
    (
        Phase(Factors(limit=0.25, market=0.7, cancel=3.0), 30.0),  # it goes within seconds,
        Phase(Factors(limit=0.25, market=0.7, cancel=1.2), 180.0),  # stays away,
        Phase(Factors(limit=1.3, market=0.8), 90.0),  # comes back,
        Phase(Factors()),
    ),
)
FLASH_CRASH: Final = Regime(
    "flash_crash",
    (
        Phase(
            Factors(limit=0.5, market=2.0, cancel=2.0, pace=2.0, lean=-0.7), 45.0
        ),  # sellers find no buyers,
        Phase(Factors(limit=0.7, market=0.6, cancel=1.0, pace=1.5), 15.0),  # stop for a moment,
        Phase(
            Factors(limit=0.5, market=2.0, cancel=2.0, pace=2.0, lean=0.7), 40.0
        ),  # and are bought back
        Phase(Factors(limit=0.8, pace=1.3)),
    ),
)
NAMED: Final[Mapping[str, Regime]] = {
    regime.name: regime
    for regime in (PLAIN, CALM, VOLATILE, THIN, TRENDING, LIQUIDITY_WITHDRAWAL, FLASH_CRASH)
}


def regime(name: str, own_regimes: Mapping[str, Regime] | None = None) -> Regime:
    """A regime by name, looked up in `own_regimes` before the shipped ones.

    Raises
    ------
    UnknownNameError
    """
    known = {**NAMED, **(own_regimes or {})}
    if name not in known:
        raise UnknownNameError(
            f"a regime among {', '.join(known)}", repr(name), suggest_name(name, known)
        )
    return known[name]


OwnRegimes = Mapping[str, Regime]
