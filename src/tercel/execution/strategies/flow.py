"""`OnFlow`: any strategy that shows nothing where the next 30 seconds bring a better price.

z is the move expected against the order over half the spread: 1 is what crossing costs. Where the price will come
(z below -hide), resting orders are taken back: who is filled there is filled before it came. The later an order is, the
more the forecast has to promise. Elsewhere, and without a forecast, the intents are the inner strategy's.

The thresholds were chosen on tape and lie beside the forecaster; z has no unit, so one set serves any name. To take a
part at once where the price will run was tried as well, and costs (`python -m studies flow`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.core.parsed import parse_json
from tercel.execution.foresight.forecaster import DEFAULT, SHIPPED, Forecaster, heard
from tercel.execution.intent import CANCEL, OUTSIDE, REST0, Intents
from tercel.execution.strategy import Strategy, Wrapper, settle
from tercel.execution.view import View

FILE: Final = "thresholds.json"


@dataclass(frozen=True)
class Thresholds:
    """When a forecast changes an order, in half spreads.

    Parameters
    ----------
    hide : float
        Resting orders are taken back where the price is expected to come by more than this.
    slack : float
        What is added to it for an order that is behind its schedule by all of its lots, over the root of the share of
        its time that is left.

    Raises
    ------
    DataError
        Anything but finite numbers from 0.
    """

    hide: float
    slack: float

    def __post_init__(self) -> None:
        values = np.array([self.hide, self.slack], np.float64)
        if not (np.isfinite(values).all() and (values >= 0.0).all()):
            raise DataError(
                "thresholds that are finite numbers from 0", f"{values.tolist()}", f"correct {FILE}"
            )

    def applied(self, intents: Intents, view: View) -> Intents:
        """`intents`, changed in place: nothing at rest where the price will come, int32 (n, 10)."""
        to_go = view.decisions_left / view.decisions
        behind = np.maximum(view.left / np.maximum(view.qty0, 1) - to_go, 0.0)
        hidden = against(view) < -(self.hide + self.slack * behind / np.sqrt(to_go))
        intents[hidden, REST0:] = 0
        intents[hidden, OUTSIDE] = CANCEL
        return settle(intents, view)


def thresholds_of(listening: Mapping[str, Any]) -> Thresholds:
    """The thresholds on a policy's card, beside the name of the forecaster that they are for.

    Raises
    ------
    ConfigError
        Another name than theirs, or one that is missing.

    >>> thresholds_of({"model": "flow-1", "hide": 0.3, "slack": 1.0})
    Thresholds(hide=0.3, slack=1.0)
    """
    try:
        return Thresholds(
            **{name: float(value) for name, value in listening.items() if name != "model"}
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            "a forecaster's model, hide and slack", f"{listening!r}", "as on the card of default-1"
        ) from error


@cache
def shipped_thresholds(folder: Path = SHIPPED / DEFAULT) -> Thresholds:
    """The thresholds in a forecaster's folder.

    Raises
    ------
    DataError
        No file of them, or one that does not say them.

    >>> shipped_thresholds().hide > 0
    True
    """
    try:
        return thresholds_of(parse_json((folder / FILE).read_text(encoding="utf-8"))["thresholds"])
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        expected = "a file of the thresholds hide and slack"
        raise DataError(
            expected, f"{folder / FILE}: {error}", f"copy {SHIPPED / DEFAULT / FILE}"
        ) from error


@dataclass(frozen=True)
class OnFlow(Wrapper):
    """`inner`'s intents, and nothing at rest where the price will come; exactly `inner`'s where nothing is said of it.

    Parameters
    ----------
    inner : Strategy
        Anything.
    model : str
        A forecaster that ships, or its folder.
    thresholds : Thresholds

    >>> from tercel.execution.strategies import build
    >>> OnFlow(build("guarded")).name
    'guarded+flow'
    """

    inner: Strategy
    model: str = DEFAULT
    thresholds: Thresholds = field(default_factory=shipped_thresholds)

    @property
    def name(self) -> str:
        """Name of the inner strategy with +flow."""
        return f"{self.inner.name}+flow"

    @property
    def forecaster(self) -> Forecaster:
        """Whose forecasts amend it."""
        return heard(self.model)

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy; nothing at rest where the price will come."""
        return self.thresholds.applied(
            self.inner.decide(view).astype(np.int32, casting="same_kind"), view
        )


def against(view: View) -> Floats:
    """Move of the mid expected against the order in 30 s over half the spread, float64 (n,); 0 where nothing is said.

    >>> from tercel.execution.probes import view_of
    >>> against(view_of()).tolist()
    [0.0]
    """
    half_bps = 1e4 * view.spread / np.maximum(np.abs(view.mid2), 1)
    known = (view.forecast_30_sd_bps > 0) & (half_bps > 0)
    return np.where(known, view.forecast_30_bps / np.where(known, half_bps, 1.0), 0.0)
