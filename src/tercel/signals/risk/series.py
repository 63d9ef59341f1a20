"""Daily series of one instrument: returns, and what else is known at each close."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from tercel.core.arrays import Floats
from tercel.core.errors import DataError


@dataclass(frozen=True)
class DailySeries:
    """Days of one instrument, oldest first.

    Parameters
    ----------
    name : str
    days : tuple of date
    returns : float64[n]
        Log return from the close before; day 0 has none, 0.
    columns : mapping of str to float64[n]
        What else is known at the close of each day: `rv` (realised variance), `rq` (quarticity), `vix`, `range`
        (Garman-Klass variance), `proxy` (range plus squared overnight return).
    """

    name: str
    days: tuple[date, ...]
    returns: Floats
    columns: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.days)

    def column(self, name: str) -> Floats:
        """A column, or a word on what holds none."""
        if name not in self.columns:
            raise DataError(
                f"a column {name} in {self.name}",
                ", ".join(self.columns) or "returns alone",
                f"add {name}, or leave the model out",
            )
        return self.columns[name]

    def since(self, day: date) -> int:
        """Index of the first day from `day` on."""
        return sum(one < day for one in self.days)
