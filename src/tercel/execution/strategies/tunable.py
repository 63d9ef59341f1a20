"""Rules whose parameters are tuned to a market, the layout of their parameters, and the tuned values.

Schedules that rest first: `twap_repeg`, `twap_cross`, `vwap_cross`, `pov_passive`.

All of them say, as the schedules in `baselines`, how many lots should be done by now and how many by the end of the
coming interval, and rest the difference at (or a tick behind) the own touch. They differ in the schedule and in
when arrears cross:

    twap_repeg    never before the horizon: arrears and slice rest at the current touch, moved along at every decision;
                  it may show more the later it is
    twap_cross    what exceeds a tolerance, in slices; 0 crosses at once, many slices only at the end
    vwap_cross    the same, in step with the market's volume
    pov_passive   a fixed percentage of the volume that others trade, with the same tolerance

`obizhaeva_wang`, `propagator` and `almgren_chriss_fitted`: schedules of takes for impact that decays.

With a propagator G a take of q_j lots at t_j moves the price by q_j G(t - t_j) from then on, and the expected cost of a
schedule is q' G q / 2 with the matrix G_ij = G(|t_i - t_j|). Under a fixed sum the minimum is at q proportional to
G^{-1} 1 (Alfonsi, Schied and Slynko 2012, "Order book resilience, price manipulation, and the positive portfolio
problem", whose convex decay kernels leave every q_j above 0).

- Exponential decay exp(-rho t), the book of Obizhaeva and Wang (2013, "Optimal trading strategy and supply/demand
  dynamics"): with a = exp(-rho tau) the first and the last take are 1, all others 1 - a, over their sum; in continuous
  time a block X / (rho T + 2) at both ends and the rest at a constant rate.
- Power-law decay (1 + t / t0)^-beta, the law of impact that tapes show.

Their constants are not measured but tuned: what counts here is the schedule. The same holds for
`almgren_chriss_fitted`, the trajectory of `almgren_chriss` with its kappa T tuned in place of estimated.

`popv`: take a percentage of the displayed volume when much is displayed, and rest otherwise.

The liquidity-opportunistic rule (percentage of posted volume) of Espana, Hafsi, Lillo and Vittori (2025, "Reinforcement
learning in queue-reactive models"), whose edge is to wait for a large far touch; with a pace, so that waiting ends.

`submit_and_leave_tuned`: one limit order at a tuned distance from the touch, left alone until the horizon.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError, check_known
from tercel.core.jit import Floats
from tercel.core.serialization import parse_json
from tercel.execution.decoders import ROUNDING_PARTS
from tercel.execution.intent import ANCHOR, AT_TOUCH, IMPROVE, REST0, TAKE, Intents, K, View
from tercel.execution.strategies.almgren_chriss import share_left
from tercel.execution.strategies.baselines import MarketEstimates, lots_of, shares_done, take_to
from tercel.execution.strategy import Strategy, hold, ladder, settle

# -- parameters ---


@dataclass(frozen=True)
class Layout:
    """Names, generic values and scales of one rule's parameters.

    Parameters
    ----------
    rule : str
        Whose.
    generic : dict of str to float
        Name -> value where nothing is known of the market, in the vector's order.
    scale : dict of str to float
        Size of the first steps of a search, by default 1. 0: the value is not searched for.
    starts : tuple of dict
        Where a search may begin besides the generic values, as what differs from them: markets are unlike.

    >>> Layout("rule", {"a": 1.0, "b": 2.0}).vector({"b": 5.0}).tolist()
    [1.0, 5.0]
    """

    rule: str
    generic: dict[str, float]
    scale: dict[str, float] = field(default_factory=dict)
    starts: tuple[dict[str, float], ...] = ()

    @property
    def scales(self) -> Floats:
        """Scales of the parameters in the vector's order, float64 (P,)."""
        return np.array([self.scale.get(name, 1.0) for name in self.generic])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters in the vector's order."""
        return tuple(self.generic)

    def vector(self, given: Mapping[str, float] | ArrayLike | None = None) -> Floats:
        """float64 (P,) from values by name, or as they are, (P,) or (n, P).

        Raises
        ------
        ConfigError
            A name that the rule does not have (the nearest is offered), another number of values, or none finite.
        """
        if given is None or isinstance(given, Mapping):
            values = {**self.generic, **(given or {})}
            for name in values:
                check_known(name, self.names, f"parameters of {self.rule}:", error=ConfigError)
            given = list(values.values())
        try:
            vector = np.array(given, np.float64)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"numbers for {self.rule}", f"{given!r}", "give one number per parameter"
            ) from error
        if (
            vector.ndim not in (1, 2)
            or vector.shape[-1] != len(self.generic)
            or not np.isfinite(vector).all()
        ):
            raise ConfigError(
                f"{len(self.generic)} finite parameters of {self.rule}, or as many a market",
                f"an array of shape {vector.shape}",
                f"in the order {', '.join(self.names)}",
            )
        return vector

    def rows(self, parameters: ArrayLike, n: int) -> Floats:
        """float64 (n, P) or (1, P), contiguous: what a rule's kernel reads for `n` markets.

        Raises
        ------
        ConfigError
            Neither one row nor one a market.
        """
        rows = np.ascontiguousarray(np.atleast_2d(np.asarray(parameters, np.float64)))
        if rows.ndim != 2 or rows.shape[1] != len(self.generic) or len(rows) not in (1, n):
            raise ConfigError(
                f"parameters of {self.rule}, float ({len(self.generic)},) or ({n}, {len(self.generic)})",
                f"shape {rows.shape}",
                "give one vector, or one a market",
            )
        return rows


@dataclass(frozen=True, eq=False)
class Tunable(Strategy):
    """A strategy whose numbers can be tuned; those not given are the generic ones.

    Parameters
    ----------
    parameters : mapping or float (P,) or (n, P), optional
        By name, or as vectors in the order of the layout: one for all markets, or one a market.
    estimates : MarketEstimates, optional
        Estimates of the market.
    """

    parameters: Mapping[str, float] | ArrayLike | None = None
    estimates: MarketEstimates | None = None
    vector: Floats = field(init=False, repr=False)
    _cut: Floats = field(init=False, repr=False)
    layout: ClassVar[Layout]
    # That of its layout.
    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "layout" in vars(cls):
            cls.name = cls.layout.rule

    def __post_init__(self) -> None:
        object.__setattr__(self, "vector", self.layout.vector(self.parameters))
        object.__setattr__(self, "_cut", np.clip(np.atleast_2d(self.vector), -30.0, 30.0))

    def value(self, name: str) -> Floats:
        """float64 (1,) or (n,): a parameter by its name, cut to +-30."""
        return self._cut[:, self.layout.names.index(name)]

    @property
    def known(self) -> MarketEstimates:
        """The estimates.

        Raises
        ------
        ConfigError
            When there are none.
        """
        if self.estimates is None:
            raise ConfigError(
                f"market estimates for {self.name!r}", "none", "estimate the market first"
            )
        return self.estimates


def sigmoid(value: Floats) -> Floats:
    """1 / (1 + exp(-value))."""
    return np.asarray(1 / (1 + np.exp(-value)), np.float64)


# -- tuned values: a file a market, as `tercel agent tune` writes them ---
FOLDER: Final = Path(__file__).parent / "tuned"


def tuned_markets() -> list[str]:
    """Presets with tuned values."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def tuned_parameters(market: str, strategy: str) -> dict[str, float]:
    """Values of a strategy's parameters in a market; none where the market is not known.

    >>> tuned_parameters("atlantis", "score_rule")
    {}
    """
    if market not in tuned_markets():
        return {}
    found: dict[str, float] = read_tuned(FOLDER / f"{market}.json").get(strategy, {})
    return dict(found)


@lru_cache(maxsize=32)
def read_tuned(path: Path) -> dict[str, dict[str, float]]:
    """Strategy -> its parameters, from a file of `tercel agent tune`.

    Raises
    ------
    ConfigError
        A file that is missing or none of these.
    """
    remedy = "write it again with tercel agent tune `out=FILE`"
    try:
        raw: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        found = {
            name: {key: float(value) for key, value in one["parameters"].items()}
            for name, one in raw["strategies"].items()
        }
    except OSError as error:
        raise ConfigError(
            "a file of tuned values", f"{path}: {error.strerror}", "check the path"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "a file of tuned values", f"{path}: {type(error).__name__} {error}", remedy
        ) from error
    return found


# -- rules ---
# Lots of arrears that no order has.
NEVER = 2**40


def rest_ahead(due: Ints, target: Ints, tolerance: Ints, behind: Floats, view: View) -> Intents:
    """Take arrears beyond `tolerance` lots, rest what then is missing to `target`, the share `behind` a tick behind."""
    take = np.clip(due - view.done - tolerance, 0, view.left)
    rest = np.clip(target - view.done - take, 0, view.left - take)
    return take_and_rest(take, rest, behind, view)


def take_and_rest(take: Ints, rest: Ints, behind: Floats, view: View) -> Intents:
    """Take `take` lots and rest `rest`, the share `behind` of them a tick behind the touch."""
    intents = ladder(view)
    back = np.floor(behind * rest + 0.5).astype(np.int64)
    intents[:, TAKE] = take
    intents[:, REST0 + AT_TOUCH] = rest - back
    intents[:, REST0 + AT_TOUCH + 1] = back
    return settle(intents, view)


# Log of the slices shown; logit of the share of them that rests a tick behind the touch.
_AHEAD = {"ahead": 0.0, "behind": -1.0}
# Log of the slices of arrears that do not cross yet.
_CROSSING = {"tolerance": 0.0, **_AHEAD}
# Slices more that are shown for each slice of arrears; the power of the spread in ticks that divides the share behind:
# with 1 that share rests on average the same part of a spread behind, in markets of any tick.
_CATCH_UP = {"catch_up": 0.0, "spread_power": 0.0}
# Most of the spread that is given up to rest a tick inside it, ahead of the queue: with 0.25, from four ticks on; log
# of the most that is shown there, in mean levels of the own side (a grain of the order at least).
_INSIDE = {"inside": 0.0, "inside_lots": 6.0}
_PLAIN = {**_AHEAD, **_CATCH_UP, **_INSIDE}
_SCALE = {
    "tolerance": 1.5,
    "ahead": 1.5,
    "behind": 2.0,
    "catch_up": 3.0,
    "spread_power": 0.5,
    "inside": 0.1,
    "inside_lots": 1.5,
}


# Generic values of `twap_repeg`, good in markets of any tick and liquidity: chosen in four simulated markets and two
# symbols' recorded days. The packaged agents start from them.
FOR_ANY_MARKET: Final = {
    "ahead": 2.4,
    "behind": 1.0,
    "catch_up": 10.0,
    "spread_power": 1.0,
    "inside": 0.25,
    "inside_lots": 0.7,
}


@dataclass(frozen=True, eq=False)
class _Passive(Tunable):
    """Parameters that all share."""

    def _tolerance(self, view: View) -> Ints:
        slice_lots = view.qty0 / view.decisions
        return np.minimum(np.floor(np.exp(self.value("tolerance")) * slice_lots), NEVER).astype(
            np.int64
        )

    def _behind(self) -> Floats:
        return sigmoid(self.value("behind"))

    def _behind_by_spread(self, view: View) -> Floats:
        return np.asarray(
            self._behind() / np.maximum(view.spread, 1) ** self.value("spread_power"), np.float64
        )

    def _ahead(self) -> Floats:
        return np.exp(self.value("ahead"))

    def _line(self, view: View) -> tuple[Ints, Ints]:
        """Lots due on TWAP's line now, and `ahead` slices later, with `catch_up` slices more for each of arrears."""
        now = view.decision / view.decisions
        then = np.minimum(now + self._ahead() / view.decisions, 1.0)
        due, target = lots_of(now, view), lots_of(then, view)
        slow = np.maximum(self.value("catch_up"), 0.0) * np.maximum(due - view.done, 0)
        return due, np.minimum(target + np.floor(slow + 0.5).astype(np.int64), view.qty0)


@dataclass(frozen=True, eq=False)
class TwapRepeg(_Passive):
    """TWAP that rests at the touch wherever it goes: arrears and coming slices; the horizon takes the remaining lots.

    An order whose fills are slow shows more: with `catch_up`, so many slices more for each slice of arrears. Where the
    spread is wide, it rests inside: with `inside`, where a tick is no more than that share of the spread.

    >>> from tercel.execution.observation import view_of
    >>> view = view_of(qty0=600, left=[590, 580], decision=2, decisions=60)
    >>> TwapRepeg({"ahead": 0.0, "behind": -30.0, "catch_up": 5.0}).decide(view)[:, 6].tolist()
    [70, 10]
    >>> wide = view_of(qty0=600, left=590, decision=2, decisions=60, touch=1000, far=[1003, 1004], own1=30)
    >>> TwapRepeg({"ahead": 0.0, "behind": -30.0, "inside_lots": 0.0}).decide(wide)[:, 5:7].tolist()
    [[0, 120], [25, 0]]
    """

    layout: ClassVar[Layout] = Layout("twap_repeg", FOR_ANY_MARKET, _SCALE, (_PLAIN,))

    def decide(self, view: View) -> Intents:
        """Intents that rest the lots missing to the line."""
        due, target = self._line(view)
        intents = rest_ahead(
            due, target, np.full(view.n, NEVER), self._behind_by_spread(view), view
        )
        spread = view.spread
        inside = (spread > 1) & (spread * self.value("inside") >= 1)
        most = np.maximum(
            np.exp(self.value("inside_lots")) * view.own_depth.mean(axis=1),
            -(-view.qty0 // ROUNDING_PARTS),
        )
        shown = np.minimum(np.clip(target - view.done, 0, view.left), most).astype(np.int64)
        intents[inside, REST0:] = 0
        intents[inside, REST0 + IMPROVE] = shown[inside]
        return settle(intents, view)


@dataclass(frozen=True, eq=False)
class TwapCross(_Passive):
    """TWAP whose slices rest and whose arrears cross beyond a tolerance.

    >>> from tercel.execution.observation import view_of
    >>> late = view_of(qty0=100, left=100, decision=3, decisions=10)
    >>> TwapCross({"tolerance": -30.0, "behind": -30.0}).decide(late)[0, [0, 6]].tolist()
    [30, 10]
    """

    layout: ClassVar[Layout] = Layout("twap_cross", {**_CROSSING, **_CATCH_UP}, _SCALE)

    def decide(self, view: View) -> Intents:
        """Intents that cross late lots and rest the lots missing to the line."""
        due, target = self._line(view)
        return rest_ahead(due, target, self._tolerance(view), self._behind_by_spread(view), view)


@dataclass(frozen=True, eq=False)
class VwapCross(_Passive):
    """VWAP whose shares rest and whose arrears cross beyond a tolerance, by the volume seen and expected."""

    layout: ClassVar[Layout] = Layout("vwap_cross", _CROSSING, _SCALE)

    def decide(self, view: View) -> Intents:
        """Intents that cross late lots and rest the volume's coming share."""
        due, target = shares_done(view, self.known)
        target = np.minimum(due + self._ahead() * (target - due), 1.0)
        return rest_ahead(
            lots_of(due, view), lots_of(target, view), self._tolerance(view), self._behind(), view
        )


@dataclass(frozen=True, eq=False)
class PovPassive(_Passive):
    """A percentage of public volume, resting: due is that of the volume seen, shown that of the volume to come."""

    layout: ClassVar[Layout] = Layout(
        "pov_passive", {"rate": 0.0, **_CROSSING}, {"rate": 0.5, **_SCALE}
    )

    def decide(self, view: View) -> Intents:
        """Intents that cross arrears against the volume seen and rest the share of the volume expected next."""
        volume = max(self.known.expected_volume, 1.0)
        rate = np.exp(self.value("rate")) / volume
        coming = self._ahead() * volume / view.decisions
        due = lots_of(np.minimum(rate * view.v_seen, 1.0), view)
        target = lots_of(np.minimum(rate * (view.v_seen + coming), 1.0), view)
        return rest_ahead(due, target, self._tolerance(view), self._behind(), view)


def decay(lags: ArrayLike, reach: float, beta: float) -> Floats:
    """(1 + t / t0)^-beta at lags and `reach` = t0 in the same unit."""
    return np.asarray((1 + np.asarray(lags, np.float64) / reach) ** -beta, np.float64)


def optimal_shares(kernel: Floats) -> Floats:
    """G^{-1} 1 over its sum, float64 (N,): shares of an order taken at N equally spaced times.

    Parameters
    ----------
    kernel : float64 (N,)
        G at lags 0, 1, ... N - 1.

    >>> optimal_shares(np.array([1.0, 0.5, 0.25])).round(6).tolist()
    [0.4, 0.2, 0.4]
    """
    index = np.arange(len(kernel))
    shares = np.linalg.solve(kernel[np.abs(index[:, None] - index)], np.ones(len(kernel)))
    return np.asarray(shares / shares.sum(), np.float64)


@lru_cache(maxsize=4096)
def power_law_done(decisions: int, reach: float, beta: float) -> Floats:
    """Share done after 0, 1, ... N takes of the optimum under (1 + t / t0)^-beta, t0 in horizons: float64 (N + 1,)."""
    shares = optimal_shares(decay(np.arange(decisions) / decisions, reach, beta))
    return np.concatenate([[0.0], np.cumsum(shares)])


def exponential_done(resilience: ArrayLike, takes: ArrayLike, decisions: ArrayLike) -> Floats:
    """Share done after `takes` of N takes, rho T = `resilience`: the closed form of the module.

    >>> exponential_done(np.log(2) * 3, [1, 2, 3], 3).round(6).tolist()
    [0.4, 0.6, 1.0]
    """
    resilience, takes, n = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (resilience, takes, decisions))
    )
    inner = -np.expm1(-resilience / n)
    middle = np.clip(takes - 1, 0, np.maximum(n - 2, 0))
    whole = np.where(n > 1, 2 + (n - 2) * inner, 1.0)
    done = (takes >= 1) + middle * inner + ((takes >= n) & (n > 1))
    return np.asarray(done / whole, np.float64)


@dataclass(frozen=True, eq=False)
class ObizhaevaWang(Tunable):
    """Obizhaeva and Wang: blocks at both ends, evenly in between; ``resilience`` is the log of rho T."""

    layout: ClassVar[Layout] = Layout("obizhaeva_wang", {"resilience": 2.0}, {"resilience": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the schedule."""
        done = exponential_done(np.exp(self.value("resilience")), view.decision + 1, view.decisions)
        return take_to(lots_of(done, view), view)


@dataclass(frozen=True, eq=False)
class TunablePropagator(Tunable):
    """Optimum G^{-1} 1 under a power law: ``beta`` the logit of its exponent, ``reach`` the log of t0."""

    layout: ClassVar[Layout] = Layout("propagator", {"beta": -0.5, "reach": -4.0}, {"reach": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the schedule."""
        beta = np.broadcast_to(np.clip(sigmoid(self.value("beta")), 0.01, 0.99), view.n)
        reach = np.broadcast_to(np.exp(np.clip(self.value("reach"), -12.0, 6.0)), view.n)
        cases = np.stack([view.decisions.astype(np.float64), reach, beta], axis=1)
        laws, which = np.unique(cases, axis=0, return_inverse=True)
        done = np.zeros(view.n)
        for number, (decisions, t0, exponent) in enumerate(laws):
            rows = which.ravel() == number
            curve = power_law_done(int(decisions), float(t0), float(exponent))
            done[rows] = curve[np.minimum(view.decision[rows] + 1, int(decisions))]
        return take_to(lots_of(done, view), view)


@dataclass(frozen=True, eq=False)
class AlmgrenChrissFitted(Tunable):
    """The trajectory of Almgren and Chriss; ``kappa`` is the log of kappa T."""

    layout: ClassVar[Layout] = Layout("almgren_chriss_fitted", {"kappa": 0.0}, {"kappa": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents that take the trajectory's next block."""
        elapsed = np.minimum((view.decision + 1) / view.decisions, 1.0)
        return take_to(
            lots_of(1 - share_left(np.exp(np.minimum(self.value("kappa"), 8.0)), elapsed), view),
            view,
        )


@dataclass(frozen=True, eq=False)
class Popv(Tunable):
    """Percentage of posted volume: take a share of the displayed lots, rest a share of the remaining lots.

    Parameters by name: ``share`` log of the share of the displayed far touch that is taken; ``trigger`` log of the far
    touch over the far side's mean level from where on; ``pace`` log of the multiple of TWAP's line that may be left;
    ``show`` logit of the share of the remaining lots that rests; ``behind`` logit of the share of that a tick behind.

    >>> from tercel.execution.observation import view_of
    >>> rule = Popv({"share": float(np.log(0.5)), "trigger": 0.0, "show": -30.0})
    >>> rule.decide(view_of(left=90, far1=[80, 10], far2=100))[:, 0].tolist()
    [40, 0]
    """

    layout: ClassVar[Layout] = Layout(
        "popv",
        {"share": -2.0, "trigger": 0.5, "pace": 1.0, "show": 0.0, "behind": 0.0},
        {"share": 1.5, "show": 2.0, "behind": 2.0},
    )

    def decide(self, view: View) -> Intents:
        """Intents that take where much is displayed or lots are overdue, and rest a share of the remaining lots."""
        far = view.far_depth[:, 0]
        large = far >= np.exp(self.value("trigger")) * np.maximum(view.far_depth.mean(axis=1), 1.0)
        lots = np.where(
            large, np.floor(np.minimum(np.exp(self.value("share")) * far, 2.0**40)), 0.0
        )
        allowed = np.exp(self.value("pace")) * view.qty0 * view.decisions_left / view.decisions
        overdue = np.maximum(view.left - np.ceil(allowed - 1e-9), 0.0)
        take = np.minimum(np.maximum(lots, overdue), view.left).astype(np.int64)
        rest = np.floor(sigmoid(self.value("show")) * (view.left - take) + 0.5).astype(np.int64)
        return take_and_rest(take, rest, sigmoid(self.value("behind")), view)


DEEPEST = 60


@dataclass(frozen=True, eq=False)
class SubmitAndLeaveTuned(Tunable):
    """One limit order at a distance from the touch of arrival, left there to the horizon.

    Parameters by name: ``level`` ticks behind the own touch, rounded, -1 to 60.

    >>> from tercel.execution.observation import view_of
    >>> SubmitAndLeaveTuned({"level": 7.0}).decide(view_of(left=90, touch=500))[0, [2, 9]].tolist()
    [497, 90]
    """

    layout: ClassVar[Layout] = Layout("submit_and_leave_tuned", {"level": 1.0}, {"level": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents with everything at one price, or a hold."""
        intents = ladder(view)
        level = np.broadcast_to(
            np.clip(np.rint(self.value("level")), -1, DEEPEST).astype(np.int64), view.n
        )
        rung = np.minimum(level + AT_TOUCH, K - 1)
        # the ladder ends three ticks behind the touch: for deeper orders its anchor moves back
        intents[:, ANCHOR] -= (view.side * (level + AT_TOUCH - rung)).astype(np.int32)
        intents[np.arange(view.n), REST0 + rung] = view.left
        return settle(np.where((view.live > 0)[:, None], hold(view), intents), view)
