"""Strategies by name: rules, tuned rules and wrappers, and `build`, which makes any of them.

To add one: a file with a frozen dataclass that has `name` and `decide`, a line in `_MAKERS`, and a test class
that inherits `certify.kits.strategy.StrategyConformance`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError, check_known, refuse_if
from tercel.execution.routing import BLOCK, BOOK, RFQ, ROUTED, Routed
from tercel.execution.strategies import baselines as b, impact_schedules, resting_rules
from tercel.execution.strategies.almgren_chriss import AlmgrenChriss, AlmgrenChrissAlpha, Parameters
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.cartea_jaimungal import CarteaJaimungal
from tercel.execution.strategies.direction_rule import DirectionRule
from tercel.execution.strategies.event_clock import EventClock
from tercel.execution.strategies.guarded import Guarded, RestAndTake
from tercel.execution.strategies.market_estimates import MarketEstimates, eta_of_depth
from tercel.execution.strategies.posture_cap import PostureCap
from tercel.execution.strategies.score_rule import ScoreRule
from tercel.execution.strategies.timed_takes import SpreadRule, TakeTimed
from tercel.execution.strategies.tunable import Tunable
from tercel.execution.strategies.tuned_values import tuned_parameters
from tercel.execution.strategy import Strategy

__all__ = [
    "ALL_BASELINES",
    "KNOWN",
    "NAMES",
    "NEED_ESTIMATES",
    "TUNABLE",
    "WITHOUT_ALPHA",
    "WRAPPERS",
    "WRITTEN",
    "YARDSTICK",
    "MarketEstimates",
    "build",
    "eta_of_depth",
    "tuned_values",
    "wrap",
]


# A plain rule printed below the table, beside what the learned policies gain on it.
YARDSTICK: Final = "peg_behind"
# Strategies whose parameters `tercel agent tune` finds; in a market with tuned values `build` starts from them.
TUNABLE: Final[dict[str, type[Tunable]]] = {
    kind.name: kind
    for kind in (
        resting_rules.TwapRepeg,
        resting_rules.TwapCross,
        resting_rules.VwapCross,
        resting_rules.PovPassive,
        impact_schedules.AlmgrenChrissFitted,
        impact_schedules.ObizhaevaWang,
        impact_schedules.TunablePropagator,
        resting_rules.SubmitAndLeaveTuned,
        resting_rules.Popv,
        DirectionRule,
        ScoreRule,
    )
}
NEED_ESTIMATES: Final = (resting_rules.VwapCross.name, resting_rules.PovPassive.name)
# A strategy that is not wrapped in `+alpha`: 0.52 [-0.23, 1.28] bps with a perfect forecast (`python -m studies worth alpha`).
WITHOUT_ALPHA: Final = b.TwapTake.name
# What `+alpha`, `+posture`, `+events` behind a name do, from the inside out.
WRAPPERS: Final[Mapping[str, Callable[[Strategy], Strategy]]] = {
    "alpha": AlphaTilt,
    "posture": PostureCap,
    "events": EventClock,
}


def _schedule_maker(kind: Callable[..., Strategy]) -> Callable[..., Strategy]:
    """Maker of a schedule of class `kind` from estimates and Almgren and Chriss's constants; given ones replace estimates."""

    def make(estimates: MarketEstimates, **constants: float) -> Strategy:
        """Make the schedule from estimates and given constants."""
        measured = {"sigma": estimates.sigma, "eta": estimates.eta, "epsilon": estimates.spread / 2}
        options = (
            {"rest_s": constants.pop("rest_s")}
            if kind is CarteaJaimungal and "rest_s" in constants
            else {}
        )
        return kind(Parameters(**{**measured, **constants}), **options)

    return make


# Name -> what makes it, and whether that needs the market's estimates; in the order of the tables.
_MAKERS: Final[dict[str, tuple[Callable[..., Strategy], bool]]] = {
    "immediate": (b.Immediate, False),
    "random": (b.Random, False),
    "twap_take": (b.TwapTake, False),
    "twap_passive": (b.TwapPassive, False),
    "vwap_take": (b.VwapTake, True),
    "vwap_passive": (b.VwapPassive, True),
    "pov": (b.Pov, True),
    "almgren_chriss": (_schedule_maker(AlmgrenChriss), True),
    "submit_and_leave": (b.SubmitAndLeave, False),
    "imbalance_peg": (b.ImbalancePeg, False),
}
NAMES: Final = tuple(_MAKERS)


def tuned_values(name: str, market: str) -> dict[str, float]:
    """Tuned parameters of a strategy in a market, by name; those of NAME+events over those of NAME; empty if there are none.

    >>> tuned_values("twap_repeg", "ibm")["ahead"]
    0.1493
    """
    rule, _, clock = name.partition("+")
    known = tuned_parameters(market, rule)
    return {**known, **tuned_parameters(market, name)} if clock else known


def _make_tunable(
    name: str,
    wrappers: Sequence[str],
    estimates: MarketEstimates | None,
    parameters: Mapping[str, Any],
) -> Strategy:
    """Make a tunable strategy: given parameters over tuned ones of its market over generic ones."""
    _refuse_unknown_market(name in NEED_ESTIMATES, name, estimates)
    clock = "+events" if "events" in wrappers else ""
    known = {} if estimates is None else tuned_values(name + clock, estimates.market)
    return TUNABLE[name]({**known, **parameters}, estimates)


def _refuse_unknown_market(informed: bool, name: str, estimates: MarketEstimates | None) -> None:
    """ConfigError if a strategy needs estimates of its market (`informed`) and there are none."""
    refuse_if(
        informed and estimates is None,
        f"market estimates for {name!r}",
        "none",
        "estimate the market first (MarketEstimates)",
    )


def _make_routed(name: str, estimates: MarketEstimates) -> Strategy:
    """Make a routed strategy for a market with dealers: `twap_repeg` in the book, no knowledge of dealers yet."""
    return Routed(build("twap_repeg", estimates), only="" if name == ROUTED else name)


_ALL: Final[dict[str, tuple[Callable[..., Strategy], bool]]] = {
    **_MAKERS,
    YARDSTICK: (b.Peg, False),
    b.PegTouch.name: (b.PegTouch, False),
    Guarded.name: (Guarded, False),
    RestAndTake.name: (RestAndTake, True),
    # Schedules that read a forecast: no rows of a table whose markets give none.
    "almgren_chriss_alpha": (_schedule_maker(AlmgrenChrissAlpha), True),
    "cartea_jaimungal": (_schedule_maker(CarteaJaimungal), True),
    # Orders beside the book, in markets with dealers.
    **{name: (partial(_make_routed, name), True) for name in (BOOK, RFQ, BLOCK, ROUTED)},
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


def wrap(strategy: Strategy, wrappers: Sequence[str]) -> Strategy:
    """`strategy` in the named wrappers, the first innermost, with their names in its name; UnknownNameError for another.

    Raises
    ------
    UnknownNameError
        No such wrapper, or `+alpha` on a strategy that gained nothing by it.

    >>> wrap(build("peg_behind"), ["alpha", "posture"]).name
    'peg_behind+alpha+posture'
    """
    refuse_if(
        strategy.name == WITHOUT_ALPHA and "alpha" in wrappers,
        f"{WITHOUT_ALPHA} without +alpha, which gained it nothing significant",
        repr("+".join((strategy.name, *wrappers))),
        "take +alpha out",
        UnknownNameError,
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
    """Build the strategy called `name`, with wrappers such as `+events`; tuned values of the estimates' market are used.

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
        return wrap(_make_tunable(name, wrappers, estimates, parameters or {}), wrappers)
    check_known(name, KNOWN, received=f"strategy {name!r}")
    maker, informed = _ALL[name]
    arguments = dict(parameters or {})
    _refuse_unknown_market(informed, name, estimates)
    if informed:
        arguments["estimates"] = estimates
    try:
        strategy = maker(**arguments)
    except TypeError as error:
        raise ConfigError(
            f"parameters of {name!r}",
            f"{sorted(arguments)} ({error})",
            "see the strategy's docstring for its parameters",
        ) from error
    return wrap(strategy, wrappers)
