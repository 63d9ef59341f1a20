"""Tuned rules whose decision is a kernel: a vector of parameters and a row of the view in, a row of an intent out."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.jit import Floats, Longs, Packed
from tercel.execution.intent import WIDTH, Intents
from tercel.execution.strategies.vector import Tunable
from tercel.execution.view import View


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
        cls.rows(cls.layout.rows(parameters, len(x)), np.ascontiguousarray(x), np.ascontiguousarray(m), out)
        return out

    def decide(self, view: View) -> Intents:
        """What the kernel says of every market."""
        return self.intents(self.vector, view.x, view.m)
