"""Parameters of a tuned rule: names and generic values, and the vectors that they make."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats


@dataclass(frozen=True)
class Layout:
    """The parameters of one rule.

    Parameters
    ----------
    rule : str
        Whose.
    generic : dict of str to float
        Name -> value where nothing is known of the market, in the vector's order.

    >>> Layout("rule", {"a": 1.0, "b": 2.0}).vector({"b": 5.0}).tolist()
    [1.0, 5.0]
    """

    rule: str
    generic: dict[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """In the vector's order."""
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
                if name not in self.generic:
                    nearest = difflib.get_close_matches(name, self.generic, 1, 0.0)[0]
                    raise ConfigError(
                        f"parameters of {self.rule}: {', '.join(self.names)}", f"{name!r}", f"try {nearest!r}"
                    )
            given = list(values.values())
        try:
            vector = np.array(given, np.float64)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"numbers for {self.rule}", f"{given!r}", "give one number a parameter") from error
        if vector.ndim not in (1, 2) or vector.shape[-1] != len(self.generic) or not np.isfinite(vector).all():
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
