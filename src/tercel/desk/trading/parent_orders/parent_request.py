"""Request for a parent order: instrument, side, lots, horizon, strategy, limit price."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tercel.core import price_limit
from tercel.core.errors import ConfigError, OrderError, refuse_if
from tercel.core.vocabulary import MOST_LOTS, NS_PER_SECOND

LONGEST_NS: Final = 10**7 * NS_PER_SECOND
MOST_DECISIONS: Final = 10**6
LONGEST_ID: Final = 80


@dataclass(frozen=True, slots=True)
class ParentRequest:
    """A request for a parent order: instrument, side, lots, horizon, strategy.

    Parameters
    ----------
    id : str
        Unique for ever.
    instrument : str
    side, lots : int
        +1 or -1; lots above 0.
    horizon_ns : int
        Time from acceptance to the horizon; the remainder then goes to the market.
    decisions : int
        Decisions within it.
    strategy : str
        What works it.
    agent : str
        The account in whose name.
    limit_price : float or str, optional
        It never trades beyond: a price, or text such as ``25bps`` beyond the mid at arrival (`core.price_limit`).
    experiment : mapping, optional
        The arm that was drawn for it (`trading.experiment.Draw`).

    Raises
    ------
    OrderError
        For one that makes no sense.
    """

    id: str
    instrument: str
    side: int
    lots: int
    horizon_ns: int
    decisions: int
    strategy: str
    agent: str
    limit_price: float | str | None = None
    experiment: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse names that are no text, and lots, horizons, sides and decisions out of range."""
        names = (self.id, self.instrument, self.agent, self.strategy)
        refuse_if(
            not all(type(name) is str for name in names),
            "a parent order with names that are text",
            f"{names!r}",
            "correct the order",
            OrderError,
        )
        checks: list[tuple[bool, str, object]] = [
            (
                not self.id or not self.instrument or not self.agent,
                "an id, an instrument and an agent",
                self,
            ),
            (
                not self.id.isprintable() or len(self.id) > LONGEST_ID,
                f"a printable id of {LONGEST_ID} at most",
                self.id,
            ),
            (
                self.id.startswith("~"),
                "an id that does not begin with ~, as the session's own do",
                self.id,
            ),
            (self.side not in (1, -1), "side +1 or -1", self.side),
            (not _is_count(self.lots, MOST_LOTS), f"lots above 0, at most {MOST_LOTS}", self.lots),
            (
                not _is_count(self.horizon_ns, LONGEST_NS),
                f"a horizon above 0 ns, at most {LONGEST_NS // NS_PER_SECOND} s",
                self.horizon_ns,
            ),
            (
                not _is_count(self.decisions, MOST_DECISIONS),
                f"1 to {MOST_DECISIONS} decisions",
                self.decisions,
            ),
        ]
        for is_wrong, expected, received in checks:
            if is_wrong:
                raise OrderError(
                    f"a parent order with {expected}", f"{received!r}", "correct the order"
                )
        try:
            price_limit.limit_of(self.limit_price, self.side)
        except ConfigError as error:
            raise OrderError(error.expected, error.received, error.remedy) from error


def _is_count(value: object, most: int) -> bool:
    """Whether a value is an integer from 1 to `most`."""
    return type(value) is int and 0 < value <= most
