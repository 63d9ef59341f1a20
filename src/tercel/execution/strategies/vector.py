"""Parameters of a tuned rule: names and generic values, and the vectors that they make."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.errors import ConfigError, check_known
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution import intent as it
from tercel.execution.actions.kernels import GRAINS, whole_grains
from tercel.execution.intent import WIDTH, Intents, View
from tercel.execution.microstructure import imbalance
from tercel.execution.strategies.baselines import MarketEstimates
from tercel.execution.strategy import Strategy

# -- display --------------------------------------------------------------------------------------
# Compiled parts of the tuned rules: market readings, overdue lots by the clock, lots on show.
#
# Every quantity is oriented by the order's side: above 0 says that the market moves against the order, so that waiting
# costs. All of them are numbers without units, so that parameters mean the same in every market.

MOST = 30.0
"""Exponents are cut here: beyond it an amount is all, or nothing."""
ALL_LOTS = 2.0**30
"""More lots than any order has."""
FAINT = math.log(GRAINS)
"""A rung with less than the largest one's share over GRAINS shows nothing."""


@kernel
def power(value: float) -> float:
    """exp(value), never beyond what can be multiplied by lots."""
    return math.exp(min(max(value, -MOST), MOST))


@kernel
def share_of(value: float) -> float:
    """tanh above 0, nothing below: a share that an unconstrained number can set to exactly 0."""
    return math.tanh(value) if value > 0.0 else 0.0


@kernel
def weighted_imbalance(m: Longs, decay: float) -> float:
    """(own - far) / (own + far) with depth on the k-th occupied level weighted by exp(-decay k)."""
    own, far = 0.0, 0.0
    for level in range(c.LEVELS):
        weight = math.exp(-decay * level)
        own += weight * m[c.OWN1 + level]
        far += weight * m[c.FAR1 + level]
    return imbalance(own, far)


@kernel
def move_unit(m: Longs) -> float:
    """Half ticks that the mid moves in an interval: the root of its long-run realised variance, at least 1."""
    return math.sqrt(max(float(m[c.RV_LONG]), 1.0))


@kernel
def drift_since(x: Longs, m: Longs) -> float:
    """Mid since arrival, in units of what it moves in the intervals that have passed."""
    moved = float(x[c.SIDE] * (m[c.MID2] - m[c.ARRIVAL_MID2]))
    return moved / (move_unit(m) * math.sqrt(1.0 + float(x[c.DECISION])))


@kernel
def trade_imbalance(m: Longs) -> float:
    """Aggressor volume of the last interval, with and against the order's side, as an imbalance."""
    return imbalance(float(m[c.V_SAME]), float(m[c.V_AGAINST]))


@kernel
def flow_imbalance(m: Longs) -> float:
    """Order flow imbalance of the last interval over the depth displayed at both touches, between -1 and 1."""
    z = float(m[c.OFI]) / float(1 + m[c.OWN1] + m[c.FAR1])
    return z / (1.0 + abs(z))


@kernel
def mean_depth(m: Longs, first: int) -> float:
    """Mean lots of five occupied levels, at least 1."""
    total = 0.0
    for level in range(c.LEVELS):
        total += m[first + level]
    return max(total / c.LEVELS, 1.0)


@kernel
def overdue(x: Longs, pace: float, curve: float) -> int:
    """Lots by which what is left exceeds ``exp(pace) Q u^exp(curve)``, u the share of decisions to go.

    Pace 0 and curve 0 are the line of TWAP, a slice late: nothing at arrival, one slice left at the last decision.
    """
    to_go = float(max(x[c.DECISIONS] - x[c.DECISION], 1)) / float(max(x[c.DECISIONS], 1))
    allowed = power(pace) * float(x[c.QTY0]) * to_go ** power(curve)
    return int(max(x[c.LEFT] - math.ceil(min(allowed, 2.0**40) - 1e-9), 0))


@kernel
def take(lots: float, pace: float, curve: float, x: Longs, out: Packed) -> None:
    """Write a take of so many lots, or of the overdue ones if more; never more than is left."""
    out[it.TAKE] = min(max(int(min(lots, ALL_LOTS)), overdue(x, pace, curve)), max(x[c.LEFT], 0))


@kernel
def show(
    logits: Floats,
    first: int,
    lean: float,
    cap: float,
    stay_front: float,
    stay_behind: float,
    x: Longs,
    m: Longs,
    out: Packed,
) -> None:
    """Write the ladder of a row whose take is decided; lots on no rung are hidden.

    Parameters
    ----------
    logits : float64
        ``logits[first + j]`` of rung j (improve, touch, -1, -2, -3) against 0 for hiding: shares by softmax.
    lean : float
        Added to a rung for every rung that it stands further forward.
    cap : float
        Most lots shown on one rung.
    stay_front, stay_behind : float
        Share of the own lots at the touch and inside, and of those behind it and off the ladder, that stay where they
        stand whatever the shares say: they keep their place in the queue.
    x, m, out
        Rows.
    """
    budget = max(x[c.LEFT], 0) - out[it.TAKE]
    if stay_behind > 0.5:  # all of them or none: an intent cannot name them one by one
        out[it.OUTSIDE] = it.KEEP
        budget = max(budget - x[c.OUTSIDE_LOTS], 0)
    free = budget
    for j in range(it.K):
        keep = stay_front if j <= it.AT_TOUCH else stay_behind
        lots = min(int(keep * max(x[c.REST0 + j], 0)), free)
        out[it.REST0 + j] = lots
        free -= lots
    # an improving rung is a take where the spread is one tick: its share goes to the touch
    inside = (m[c.FAR] - m[c.TOUCH]) * x[c.SIDE] > 1 + x[c.UNDERCUT]
    best = -(2.0**60)
    for j in range(it.K):
        best = max(best, logits[first + j] + lean * (2 - j))
    top = max(best, 0.0)
    total = math.exp(-top)
    for j in range(it.K):
        weight = logits[first + j] + lean * (2 - j)
        if weight > best - FAINT:
            total += math.exp(weight - top)
    spread, put, room = 0.0, 0, budget
    for j in range(it.K):
        weight = logits[first + j] + lean * (2 - j)
        if weight > best - FAINT:
            spread += math.exp(weight - top) / total
        lots = out[it.REST0 + j]
        if j != it.IMPROVE or inside:
            # rounded as running sums, so that shares that add up to one leave no lot behind
            upto = math.floor(spread * free + 0.5)
            lots += upto - put
            put = upto
        most = int(min(cap, ALL_LOTS))
        lots = min(
            whole_grains(min(lots, most), x[c.REST0 + j], x[c.QTY0], min(most, budget // 4)), room
        )
        room -= lots
        out[it.REST0 + j] = lots


# -- vector ---------------------------------------------------------------------------------------


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
        How far a value may be off, where that is not 1: the first steps of a search. 0: it is not searched for.
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
                f"numbers for {self.rule}", f"{given!r}", "give one number a parameter"
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
        What is known of the market.
    """

    parameters: Mapping[str, float] | ArrayLike | None = None
    estimates: MarketEstimates | None = None
    vector: Floats = field(init=False, repr=False)
    _cut: Floats = field(init=False, repr=False)
    layout: ClassVar[Layout]
    name: ClassVar[str]
    """That of its layout."""

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


@dataclass(frozen=True, eq=False)
class RowRule(Tunable):
    """A rule that a kernel of all markets decides; see `score_rule` for one."""

    @staticmethod
    @abstractmethod
    def rows(p: Floats, x: Longs, m: Longs, out: Packed) -> None:
        """The kernel: p (n, P) or (1, P), x (n, PX), m (n, MX), out int32 (n, 10)."""

    @classmethod
    def intents(cls, parameters: ArrayLike, x: Longs, m: Longs) -> Intents:
        """The rule's intents, int32 (n, 10).

        Parameters
        ----------
        parameters : float (P,) or (n, P)
            In the order of the layout: one vector, or one a market.
        x, m : int64 (n, PX), (n, MX)
            As in a View.

        Raises
        ------
        ConfigError
            Another number of parameters or of rows.
        """
        out = np.empty((len(x), WIDTH), np.int32)
        cls.rows(
            cls.layout.rows(parameters, len(x)),
            np.ascontiguousarray(x),
            np.ascontiguousarray(m),
            out,
        )
        return out

    def decide(self, view: View) -> Intents:
        """Intents of the kernel for every market, int32 (n, 10)."""
        return self.intents(self.vector, view.x, view.m)
