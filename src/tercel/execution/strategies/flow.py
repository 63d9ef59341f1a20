"""`OnFlow`: any strategy that shows nothing where the next 30 seconds bring a better price.

z is the move expected against the order over half the spread: 1 is what crossing costs. Where the price will come
(z below -hide), resting orders are taken back: who is filled there is filled before it came. The later an order is, the
more the forecast has to promise. Elsewhere, and without a forecast, the intents are the inner strategy's.

The thresholds were chosen on tape and lie beside the forecaster; z has no unit, so one set serves any name. To take a
part at once where the price will run was tried as well, and costs (`python -m studies flow`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError, DataError
from tercel.core.plain import parse_json
from tercel.execution import columns as c
from tercel.execution.foresight.forecaster import DEFAULT, SHIPPED, Forecaster, heard
from tercel.execution.guidance import expected_move
from tercel.execution.intent import CANCEL, OUTSIDE, REST0, Intents, View
from tercel.execution.strategy import Strategy, Wrapper, forecaster_of, settle

# -- flow -----------------------------------------------------------------------------------------

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

    >>> thresholds_of({"model": "flow-2", "hide": 0.3, "slack": 1.0})
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
        raise DataError(
            "a file of the thresholds hide and slack",
            f"{folder / FILE}: {error}",
            f"copy {SHIPPED / DEFAULT / FILE}",
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


# -- seconds --------------------------------------------------------------------------------------
# `OnSeconds`: the forecast of the next 30 seconds joins the forecast of hours or days that guides an order.
#
# A strategy that takes guidance (`+alpha`, the guided schedules) reads one forecast: a move, its error and its half-life.
# Around it, this wrapper makes one of two, each at its own horizon:
#
# - the same way: both moves together, at the half-life at which the move of the next 30 s is the sum of both;
# - opposite ways: the one that moves further in the next 30 s, since the other is there to be read again then.
#
# To raise an order's urgency where the next 30 s go against it was tried on tape as well, and costs orders that rest
# (`python -m studies seconds`).

NEXT_NS: Final = 30_000_000_000
"""How far the forecast of seconds reaches."""
SPENT: Final = 0.75
"""Share of it that is over then: its half-life is half of that."""
_LONGEST_NS: Final = 1e17


@dataclass(frozen=True)
class OnSeconds(Wrapper):
    """`inner`, guided by the forecast of seconds as well; exactly `inner` where nothing is said of them.

    Parameters
    ----------
    inner : Strategy
        One that takes guidance.
    model : str
        A forecaster that ships, or its folder; one that `inner` listens to itself goes before.

    >>> from tercel.execution.strategies import build
    >>> OnSeconds(build("twap_take+alpha")).name
    'twap_take+alpha+seconds'
    """

    inner: Strategy
    model: str = DEFAULT

    @property
    def name(self) -> str:
        """Name of the inner strategy with +seconds."""
        return f"{self.inner.name}+seconds"

    @property
    def forecaster(self) -> Forecaster:
        """Whose forecasts it is told of."""
        return forecaster_of(self.inner) or heard(self.model)

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy under both forecasts."""
        return self.inner.decide(replace(view, x=joined(view)))


def joined(view: View) -> Ints:
    """The private columns of a view with both forecasts as one, int64 (n, PX)."""
    x = view.x.copy()
    said = np.asarray(view.told[:, c.FORECAST_30_SD] > 0)
    soon = np.where(said, view.told[:, c.FORECAST_30], 0).astype(np.float64)
    late = np.where(x[:, c.HALF_LIFE_NS] > 0, x[:, c.ALPHA], 0).astype(np.float64)
    soon_now, late_now = SPENT * soon, expected_move(late, x[:, c.HALF_LIFE_NS], NEXT_NS)
    same = soon * late >= 0
    speaks = said & (soon != 0) & (same | (np.abs(soon_now) > np.abs(late_now)))
    whole, now = (np.where(same, a + b, a) for a, b in ((soon, late), (soon_now, late_now)))
    share = np.clip(now / np.where(whole == 0, 1.0, whole), 1e-9, 1 - 1e-9)
    half = np.minimum(-NEXT_NS / np.log2(1.0 - share), _LONGEST_NS)
    sd = np.hypot(np.where(same, x[:, c.ALPHA_SD], 0), view.told[:, c.FORECAST_30_SD])
    for column, value in ((c.ALPHA, whole), (c.ALPHA_SD, sd), (c.HALF_LIFE_NS, half)):
        x[speaks, column] = np.rint(value[speaks])
    return x
