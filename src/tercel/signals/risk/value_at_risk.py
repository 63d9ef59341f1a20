"""Value at Risk and Expected Shortfall of a book's next day, with the backtest of the tail model."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, check_known
from tercel.signals.risk.portfolio import LEAST_DAYS, Portfolio
from tercel.signals.risk.ports import TailModel
from tercel.signals.risk.tail_models import (
    EwmaNormal,
    FilteredHistoricalSimulation,
    TailVerdict,
    judge,
)

LEVEL: Final = 0.99
FEW: Final = 20
"""Names up to which each has a GARCH fit of its own."""
FEW_HITS: Final = 250
"""Days of a backtest below which it says little of a 99 % level."""
TAIL: Final[Mapping[str, TailModel]] = MappingProxyType(
    {
        "fhs-gjr": FilteredHistoricalSimulation(),
        "fhs-garch": FilteredHistoricalSimulation(asymmetric=False),
        "ewma-normal": EwmaNormal(),
    }
)


def tail_model(book: Portfolio, requested: str = "") -> tuple[TailModel, tuple[str, ...]]:
    """The requested tail model, one of :data:`TAIL`, or the best available; notes on why not the best one."""
    best = FilteredHistoricalSimulation()
    if requested:
        check_known(requested, TAIL, error=ConfigError)
        return TAIL[requested], ()
    if find_spec("arch") is None:
        return EwmaNormal(), ("VaR by EWMA and a normal: the better model needs the extra [risk].",)
    if len(book.returns) < best.window:
        note = f"VaR by EWMA and a normal, which has too many hits: filtered simulation needs {best.window:,} days."
        return EwmaNormal(), (note,)
    return best, ()


def tail_tomorrow(model: TailModel, returns: Floats, level: float) -> tuple[float, float]:
    """Value at Risk and Expected Shortfall of the day after the last return, positive losses."""
    var, es = model.forecast(np.append(returns, 0.0), len(returns), level)
    return float(var[0]), float(es[0])


@dataclass(frozen=True)
class ValueAtRisk:
    """Value at Risk and Expected Shortfall of a book's next day, with the model's backtest out of sample.

    Parameters
    ----------
    book : Portfolio
    var, es : float
        Positive losses, fractions of log return.
    level : float
    verdict : TailVerdict or None
        The backtest; None if there are too few days.
    first : int
        Index of its first day among the book's returns.
    book_returns : float64[n]
        Log returns of the book.
    notes : tuple of str
    """

    book: Portfolio
    var: float
    es: float
    level: float
    model: str
    verdict: TailVerdict | None
    first: int
    book_returns: Floats
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "at": self.book.days[-1],
            "horizon_days": 1,
            "returns": "log",
            "level": self.level,
            "model": self.model,
            "var": self.var,
            "es": self.es,
            "names": self.book.names,
            "weights": self.book.weights,
            "backtest": self._backtest(),
            "left_out": self.book.left_out,
            "notes": self.notes,
        }

    def _backtest(self) -> dict[str, Any] | None:
        """Figures of the model's backtest for JSON; None without a backtest."""
        if self.verdict is None:
            return None
        tests = self.verdict.tests
        return {
            "first": self.book.days[self.first + 1],
            "last": self.book.days[-1],
            "days": tests.days,
            "hits": tests.hits,
            "expected": (1 - self.level) * tests.days,
            "rate": tests.rate,
            "kupiec_p": tests.kupiec,
            "christoffersen_p": tests.independence,
            "joint_p": tests.joint,
            "pinball": self.verdict.pinball,
            "es_ratio": self.verdict.es_ratio,
            "most_in_250_days": self.verdict.most_in_year,
            "passes": self.verdict.passes,
        }


def value_at_risk(
    book: Portfolio, level: float = LEVEL, model: str = "", since: int = 0
) -> ValueAtRisk:
    """Value at Risk of the day after the book's last, and the model's backtest over all days that it can be tested on.

    Parameters
    ----------
    book : Portfolio
    level : float
    model : str
        One of :data:`TAIL`; by default filtered simulation on GJR from 1,000 days on, else EWMA and a normal.
    since : int
        Index of the first return that is tested, where the model can begin so early.
    """
    tail, notes = tail_model(book, model)
    returns = book.book_returns()
    var, es = tail_tomorrow(tail, returns, level)
    first = max(
        since, tail.window if isinstance(tail, FilteredHistoricalSimulation) else LEAST_DAYS
    )
    test_days = len(returns) - first
    verdict = judge([tail], returns, first, level)[0] if test_days > 1 else None
    if test_days < FEW_HITS:
        notes = (
            *notes,
            f"The backtest has {max(test_days, 0)} days: fewer than {FEW_HITS} say little of such a level.",
        )
    return ValueAtRisk(
        book, var, es, level, tail.name, verdict, first, returns, (*book.notes, *notes)
    )
