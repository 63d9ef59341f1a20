"""The rules, by the names they carry in every table.

To add one: a file with a frozen dataclass that has `name` and `decide`, a line in `_MAKERS`, and a test class
that inherits `certify.kits.strategy.StrategyConformance`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError, check_known, refuse_if
from tercel.core.removed import refuse_removed
from tercel.execution.routing import BLOCK, BOOK, RFQ, ROUTED, Routed
from tercel.execution.strategies import baselines as b, tunable as t
from tercel.execution.strategies.almgren_chriss import (
    AlmgrenChriss,
    AlmgrenChrissAlpha,
    CarteaJaimungal,
    Parameters,
)
from tercel.execution.strategies.alpha_tilt import AlphaTilt, PostureCap
from tercel.execution.strategies.baselines import MarketEstimates, eta_of_depth
from tercel.execution.strategies.event_clock import (
    EventClock,
    Guarded,
    RestAndTake,
    SpreadRule,
    TakeTimed,
)
from tercel.execution.strategies.row_rules import DirectionRule, ScoreRule
from tercel.execution.strategies.tunable import Tunable, tuned_parameters
from tercel.execution.strategy import Strategy

__all__ = [
    "ALL_BASELINES",
    "KNOWN",
    "NAMES",
    "TUNABLE",
    "WRAPPERS",
    "WRITTEN",
    "YARDSTICK",
    "MarketEstimates",
    "build",
    "eta_of_depth",
    "tuned_values",
    "wrap",
]


def _by_law(kind: Callable[..., Strategy]) -> Callable[..., Strategy]:
    """Maker of a schedule from Almgren and Chriss's constants: given constants replace those measured in the market."""

    def made(estimates: MarketEstimates, **given: float) -> Strategy:
        known = {"sigma": estimates.sigma, "eta": estimates.eta, "epsilon": estimates.spread / 2}
        own = (
            {"rest_s": given.pop("rest_s")} if kind is CarteaJaimungal and "rest_s" in given else {}
        )
        return kind(Parameters(**{**known, **given}), **own)

    return made


# Name -> what makes it, and whether that needs the market's estimates; in the order of the tables.
_MAKERS: Final[dict[str, tuple[Callable[..., Strategy], bool]]] = {
    "immediate": (b.Immediate, False),
    "random": (b.Random, False),
    "twap_take": (b.TwapTake, False),
    "twap_passive": (b.TwapPassive, False),
    "vwap_take": (b.VwapTake, True),
    "vwap_passive": (b.VwapPassive, True),
    "pov": (b.Pov, True),
    "almgren_chriss": (_by_law(AlmgrenChriss), True),
    "submit_and_leave": (b.SubmitAndLeave, False),
    "imbalance_peg": (b.ImbalancePeg, False),
}
NAMES: Final = tuple(_MAKERS)
# A plain rule printed below the table, beside what the learned policies gain on it.
YARDSTICK: Final = "peg_behind"
# Strategies whose parameters `tercel agent tune` finds; in a market with tuned values `build` starts from them.
TUNABLE: Final[dict[str, type[Tunable]]] = {
    kind.name: kind
    for kind in (
        t.TwapRepeg,
        t.TwapCross,
        t.VwapCross,
        t.PovPassive,
        t.AlmgrenChrissFitted,
        t.ObizhaevaWang,
        t.TunablePropagator,
        t.SubmitAndLeaveTuned,
        t.Popv,
        DirectionRule,
        ScoreRule,
    )
}
_NEED_ESTIMATES: Final = (t.VwapCross.name, t.PovPassive.name)


def tuned_values(name: str, market: str) -> dict[str, float]:
    """Parameters of a tunable strategy that were tuned in a market; the others are generic. On the clock of events
    (``twap_repeg+events``) those tuned on that clock come first.

    >>> tuned_values("twap_repeg", "csco")["ahead"]
    2.2292
    """
    rule, _, clock = name.partition("+")
    known = tuned_parameters(market, rule)
    return {**known, **tuned_parameters(market, name)} if clock else known


def _tunable(
    name: str,
    wrappers: Sequence[str],
    estimates: MarketEstimates | None,
    parameters: Mapping[str, Any],
) -> Strategy:
    """A tunable strategy: the given values over those tuned in its market, on its clock, over the generic ones."""
    _refuse_unknown_market(name in _NEED_ESTIMATES, name, estimates)
    clock = "+events" if "events" in wrappers else ""
    known = {} if estimates is None else tuned_values(name + clock, estimates.market)
    return TUNABLE[name]({**known, **parameters}, estimates)


def _refuse_unknown_market(informed: bool, name: str, estimates: MarketEstimates | None) -> None:
    refuse_if(
        informed and estimates is None,
        f"market estimates for {name!r}",
        "none",
        "estimate the market first (MarketEstimates)",
    )


def _routed(name: str, estimates: MarketEstimates) -> Strategy:
    return Routed(build("twap_repeg", estimates), only="" if name == ROUTED else name)


_ALL: Final[dict[str, tuple[Callable[..., Strategy], bool]]] = {
    **_MAKERS,
    YARDSTICK: (b.Peg, False),
    b.PegTouch.name: (b.PegTouch, False),
    Guarded.name: (Guarded, False),
    RestAndTake.name: (RestAndTake, True),
    # Schedules that read a forecast: no rows of a table whose markets give none.
    "almgren_chriss_alpha": (_by_law(AlmgrenChrissAlpha), True),
    "cartea_jaimungal": (_by_law(CarteaJaimungal), True),
    # Orders beside the book, in markets with dealers.
    **{name: (partial(_routed, name), True) for name in (BOOK, RFQ, BLOCK, ROUTED)},
    # Takes that wait for their moment, on a clock of their own.
    SpreadRule.name: (SpreadRule, False),
    TakeTimed.name: (TakeTimed, False),
}
# Every name that `build` knows.
KNOWN: Final = (*_ALL, *TUNABLE)
# Everything written; what `tercel run` judges comes first.
WRITTEN: Final = (*NAMES, YARDSTICK, b.PegTouch.name, Guarded.name, CarteaJaimungal.name, *TUNABLE)
# The rules that a policy is held against by default.
ALL_BASELINES: Final = WRITTEN
# What `+alpha`, `+posture`, `+events` behind a name do, from the inside out.
WRAPPERS: Final[Mapping[str, Callable[[Strategy], Strategy]]] = {
    "alpha": AlphaTilt,
    "posture": PostureCap,
    "events": EventClock,
}


def wrap(strategy: Strategy, wrappers: Sequence[str]) -> Strategy:
    """`strategy` in the wrappers named, the first innermost; its name says so.

    Raises
    ------
    UnknownNameError
        No such wrapper, or one that was removed with this strategy.

    >>> wrap(build("peg_behind"), ["alpha", "posture"]).name
    'peg_behind+alpha+posture'
    """
    refuse_removed(
        "strategies",
        f"{strategy.name}+alpha" if "alpha" in wrappers else "",
        repr("+".join((strategy.name, *wrappers))),
    )
    for name in wrappers:
        refuse_if(
            name not in WRAPPERS,
            f"+{' or +'.join(WRAPPERS)}",
            f"+{name}",
            "such as twap_passive+alpha+posture",
            UnknownNameError,
        )
        strategy = WRAPPERS[name](strategy)
    return strategy


def build(
    name: str, estimates: MarketEstimates | None = None, parameters: Mapping[str, Any] | None = None
) -> Strategy:
    """The strategy called `name`.

    Parameters
    ----------
    name : str
        One of `ALL_BASELINES`, a guided schedule, and behind it any of `WRAPPERS`, such as ``pov+alpha+posture``. Never
        a user's own (`execution.user_strategy`): names come from cards of policies too, and nothing in a policy's
        folder runs.
    estimates : MarketEstimates, optional
        Estimates of the market; VWAP, POV and Almgren-Chriss need them, tuned rules start from the values of the
        market that it names.
    parameters : mapping, optional
        The strategy's own: ``level`` of submit_and_leave, ``rate`` of pov, ``risk_aversion``, ``urgency``,
        ``gamma``, ``sigma``, ``eta``, ``epsilon`` of almgren_chriss; for a tuned rule those that differ from the tuned
        (or, in an unknown market, generic) ones.

    Raises
    ------
    UnknownNameError
        No such strategy; the nearest name is offered.
    ConfigError
        Estimates are missing, or a parameter that the strategy does not have.

    >>> build("submit_and_leave", parameters={"level": 1})
    SubmitAndLeave(level=1)
    """
    name, *wrappers = name.split("+")
    if name in TUNABLE:
        return wrap(_tunable(name, wrappers, estimates, parameters or {}), wrappers)
    check_known(name, KNOWN, said=f"strategy {name!r}")
    maker, informed = _ALL[name]
    arguments = dict(parameters or {})
    _refuse_unknown_market(informed, name, estimates)
    if informed:
        arguments["estimates"] = estimates
    try:
        made = maker(**arguments)
    except TypeError as error:
        raise ConfigError(
            f"parameters of {name!r}",
            f"{sorted(arguments)} ({error})",
            "see the strategy's docstring for its parameters",
        ) from error
    return wrap(made, wrappers)
