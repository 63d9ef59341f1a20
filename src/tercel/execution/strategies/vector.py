"""Parameters of a tuned rule: names and generic values, and the vectors that they make."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs, Packed
from tercel.core.names import check_known
from tercel.execution.intent import WIDTH, Intents
from tercel.execution.strategies.estimates import MarketEstimates
from tercel.execution.strategy import Strategy
from tercel.execution.view import View


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
            expected = f"parameters of {self.rule}, float ({len(self.generic)},) or ({n}, {len(self.generic)})"
            raise ConfigError(expected, f"shape {rows.shape}", "give one vector, or one a market")
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
    begins: ClassVar[str] = ""
    """Another rule whose tuned values are its own until it is tuned itself."""

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
