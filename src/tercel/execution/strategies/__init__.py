"""The written strategies, by the names they carry in every table.

To add one: a file with a frozen dataclass that has `name` and `decide`, a line in `_MAKERS`, and a test class
that inherits `tercel.testing.strategy.StrategyConformance`.
"""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.execution.strategies.almgren_chriss import AlmgrenChriss, Parameters
from tercel.execution.strategies.estimates import MarketEstimates, eta_of_depth
from tercel.execution.strategies.immediate import Immediate
from tercel.execution.strategies.peg import Peg
from tercel.execution.strategies.pov import Pov
from tercel.execution.strategies.random import Random
from tercel.execution.strategies.submit_and_leave import SubmitAndLeave
from tercel.execution.strategies.twap import TwapPassive, TwapTake
from tercel.execution.strategies.vwap import VwapPassive, VwapTake
from tercel.execution.strategy import Strategy

__all__ = ["NAMES", "YARDSTICK", "MarketEstimates", "build", "eta_of_depth"]


def _almgren_chriss(estimates: MarketEstimates, **parameters: float) -> Strategy:
    known = {"sigma": estimates.sigma, "eta": estimates.eta, "epsilon": estimates.spread / 2}
    return AlmgrenChriss(Parameters(**{**known, **parameters}))


_MAKERS: Final[dict[str, tuple[Callable[..., Strategy], bool]]] = {
    "immediate": (Immediate, False),
    "random": (Random, False),
    "twap_take": (TwapTake, False),
    "twap_passive": (TwapPassive, False),
    "vwap_take": (VwapTake, True),
    "vwap_passive": (VwapPassive, True),
    "pov": (Pov, True),
    "almgren_chriss": (_almgren_chriss, True),
    "submit_and_leave": (SubmitAndLeave, False),
}
"""Name -> what makes it, and whether that needs the market's estimates; in the order of the tables."""
NAMES: Final = tuple(_MAKERS)
YARDSTICK: Final = "peg_behind"
"""A plain rule that stands below the table, beside what the learned policies gain on it."""
_ALL: Final[dict[str, tuple[Callable[..., Strategy], bool]]] = {**_MAKERS, YARDSTICK: (Peg, False)}


def build(name: str, estimates: MarketEstimates | None = None, parameters: Mapping[str, Any] | None = None) -> Strategy:
    """The strategy called `name`.

    Parameters
    ----------
    name : str
        One of `NAMES`, or `YARDSTICK`.
    estimates : MarketEstimates, optional
        What is known of the market; VWAP, POV and Almgren-Chriss need it.
    parameters : mapping, optional
        The strategy's own: ``level`` of submit_and_leave, ``rate`` of pov, ``risk_aversion``, ``urgency``,
        ``gamma``, ``sigma``, ``eta``, ``epsilon`` of almgren_chriss.

    Raises
    ------
    UnknownNameError
        No such strategy; the nearest name is offered.
    ConfigError
        Estimates are missing, or a parameter that the strategy does not have.

    >>> build("submit_and_leave", parameters={"level": 1})
    SubmitAndLeave(level=1)
    """
    if name not in _ALL:
        nearest = difflib.get_close_matches(name, _ALL, 1, 0.0)[0]
        raise UnknownNameError(f"one of {', '.join(_ALL)}", f"strategy {name!r}", f"try {nearest!r}")
    maker, informed = _ALL[name]
    arguments = dict(parameters or {})
    if informed and estimates is None:
        raise ConfigError(f"market estimates for {name!r}", "none", "estimate the market first (MarketEstimates)")
    if informed:
        arguments["estimates"] = estimates
    try:
        return maker(**arguments)
    except TypeError as error:
        remedy = "see the strategy's docstring for its parameters"
        raise ConfigError(f"parameters of {name!r}", f"{sorted(arguments)} ({error})", remedy) from error
