"""Outcomes of a desk's forecasts: the move of the mid over each forecast's horizon, from the journal's marks."""

from collections import deque
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from msgspec.structs import replace

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry
from tercel.desk.trading.journal.bodies import MarketEntry

MOST_ROWS: Final = 600
MOST_WAITING: Final = 64
"""Most forecasts of an instrument that wait for their horizon."""


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A forecast with a band of two standard deviations, and the realised move; null: unknown, or not yet known."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    instrument: str
    source: str
    ns: int
    horizon_s: float | None
    forecast_bps: float | None
    low: float | None
    high: float | None
    came_bps: float | None


class _Waiting(NamedTuple):
    """A forecast whose time is not over: as of `ns`, until `due_ns`; `mid2`: the first mid marked since, half ticks (0: no mark
    yet)."""

    ns: int
    due_ns: int
    alpha: AlphaEntry
    mid2: int


class Outcomes:
    """Fold of a journal's forecasts and marks: measures each forecast at its horizon."""

    def __init__(self) -> None:
        self.scored: deque[ForecastRow] = deque(maxlen=MOST_ROWS)
        """Outcomes of forecasts whose horizon has passed, oldest first."""
        self._waiting: dict[str, tuple[_Waiting, ...]] = {}

    def apply(self, entry: Entry) -> None:
        """Fold one entry; other kinds than forecasts and marks are ignored."""
        waiting = self._waiting.get(entry.instrument, ())
        if entry.kind == kinds.ALPHA and (alpha := AlphaEntry.of(entry)).horizon_ns:
            due_ns = alpha.due_ns or entry.ns + alpha.horizon_ns
            if due_ns > entry.ns and not (
                alpha.model and any(forecast.due_ns == due_ns for forecast in waiting)
            ):
                left_bps = alpha.expected_bps if alpha.left_bps is None else alpha.left_bps
                remaining = replace(alpha, expected_bps=left_bps, horizon_ns=due_ns - entry.ns)
                row = _Waiting(entry.ns, due_ns, remaining, 0)
                self._waiting[entry.instrument] = (*waiting, row)[-MOST_WAITING:]
        elif entry.kind == kinds.MARKET and waiting:
            body = MarketEntry.of(entry)
            if body.bid is not None and body.ask is not None:
                self._mark(entry.instrument, entry.ns, body.bid + body.ask)

    @property
    def waiting(self) -> list[ForecastRow]:
        """Forecasts whose horizon has not passed."""
        rows = self._waiting.items()
        return [
            forecast_row(name, forecast.ns, forecast.alpha)
            for name, forecasts in rows
            for forecast in forecasts
        ]

    def _mark(self, name: str, ns: int, mid2: int) -> None:
        """Fold an instrument's mid (half ticks): the start of forecasts that have none, the outcome of those due; a due one
        without a start is dropped."""
        still_waiting = []
        for forecast in self._waiting[name]:
            if ns < forecast.due_ns:
                still_waiting.append(forecast if forecast.mid2 else forecast._replace(mid2=mid2))
            elif forecast.mid2:  # without a mark while it held, the outcome is unknown
                came_bps = 1e4 * (mid2 / forecast.mid2 - 1)
                self.scored.append(forecast_row(name, forecast.ns, forecast.alpha, came_bps))
        self._waiting[name] = tuple(still_waiting)


def forecast_row(
    instrument: str, ns: int, alpha: AlphaEntry, came_bps: float | None = None
) -> ForecastRow:
    """Forecast of a journal entry as a row, with its outcome in bps (None: not known yet).

    >>> forecast_row("A", 5, AlphaEntry(expected_bps=1.0, sd_bps=2.0, horizon_ns=3_000_000_000)).low
    -3.0
    """
    mean = alpha.expected_bps
    sd = alpha.sd_bps
    low, high = (None, None) if mean is None or sd is None else (mean - 2 * sd, mean + 2 * sd)
    horizon_s = alpha.horizon_ns / 1e9 if alpha.horizon_ns else None
    source = alpha.model or ", ".join(alpha.sources)
    return ForecastRow(instrument, source, ns, horizon_s, mean, low, high, came_bps)
