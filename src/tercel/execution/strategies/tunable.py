"""Base of rules whose parameters are tuned to a market: names, generic values and scales of the parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.errors import ConfigError, check_known
from tercel.core.jit import Floats
from tercel.execution.strategies.market_estimates import MarketEstimates
from tercel.execution.strategy import Strategy


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

    def vector(self, parameters: Mapping[str, float] | ArrayLike | None = None) -> Floats:
        """Parameters as float64 (P,) or (n, P), from values by name (missing ones generic) or an array; else ConfigError.

        Raises
        ------
        ConfigError
            A name that the rule does not have (the nearest is offered), another number of values, or none finite.
        """
        if parameters is None or isinstance(parameters, Mapping):
            values = {**self.generic, **(parameters or {})}
            for name in values:
                check_known(name, self.names, f"parameters of {self.rule}:", error=ConfigError)
            parameters = list(values.values())
        try:
            vector = np.array(parameters, np.float64)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"numbers for {self.rule}", f"{parameters!r}", "give one number per parameter"
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
        """Parameters as contiguous float64 (n, P) or (1, P) for a rule's kernel, from (P,) or either; ConfigError for others.

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
    """Base of strategies with tunable parameters; those not given are generic.

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
        """A parameter by name, float64 (1,) or (n,), clipped to +-30."""
        return self._cut[:, self.layout.names.index(name)]

    @property
    def known(self) -> MarketEstimates:
        """Estimates of the market; ConfigError if there are none.

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
