"""Forecasts that a desk had, and what came of each, as far as its journal tells."""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds

MOST_ROWS: Final = 600
MOST_WAITING: Final = 64
"""Of an instrument: forecasts whose time has not come."""


class Outcomes:
    """The fold: each forecast is measured at its horizon and not before, by the journal's marks, from the first one at
    or after the forecast to the first one at or after its horizon. One that was served from files is taken in every
    round: it counts once, from the first on, as what was left of it then.
    """

    def __init__(self) -> None:
        self.scored: deque[dict[str, Any]] = deque(maxlen=MOST_ROWS)
        """Rows of :func:`forecast_row`, those whose time is over, oldest first."""
        self._waiting: dict[str, tuple[dict[str, Any], ...]] = {}

    def apply(self, entry: Entry) -> None:
        """Fold one entry; other kinds than forecasts and marks are ignored."""
        name, body = entry.instrument, entry.body
        if entry.kind == kinds.ALPHA and body.get("horizon_ns"):
            due_ns, waiting = (
                body.get("due_ns", entry.ns + body["horizon_ns"]),
                self._waiting.get(name, ()),
            )
            left = {
                "expected_bps": body.get("left_bps", body.get("expected_bps")),
                "horizon_ns": due_ns - entry.ns,
            }
            if due_ns > entry.ns and not (
                body.get("model") and any(one["due_ns"] == due_ns for one in waiting)
            ):
                row = {**body, **left, "ns": entry.ns, "due_ns": due_ns, "mid2": None}
                self._waiting[name] = (*waiting, row)[-MOST_WAITING:]
        elif (
            entry.kind == kinds.MARKET
            and self._waiting.get(name)
            and None not in (body.get("bid"), body.get("ask"))
        ):
            self._mark(name, entry.ns, int(body["bid"]) + int(body["ask"]))

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """Rows of those whose time is not over."""
        return [forecast_row(name, row) for name, rows in self._waiting.items() for row in rows]

    def _mark(self, name: str, ns: int, mid2: int) -> None:
        left = []
        for row in self._waiting[name]:
            over = ns >= row["ns"] + row["horizon_ns"]
            if not over:
                left.append(row if row["mid2"] else row | {"mid2": mid2})
            elif row["mid2"]:  # without a mark while it held, the outcome is unknown
                self.scored.append(forecast_row(name, row, 1e4 * (mid2 / row["mid2"] - 1)))
        self._waiting[name] = tuple(left)


def forecast_row(
    instrument: str, alpha: Mapping[str, Any], came_bps: float | None = None
) -> dict[str, Any]:
    """Forecast of an instrument with a band of two standard deviations, and its outcome, basis points.

    What the entry does not tell is None.

    >>> forecast_row("A", {"ns": 5, "expected_bps": 1.0, "sd_bps": 2.0, "horizon_ns": 3_000_000_000})["low"]
    -3.0
    """
    mean, sd, horizon_ns = alpha.get("expected_bps"), alpha.get("sd_bps"), alpha.get("horizon_ns")
    low, high = (None, None) if mean is None or sd is None else (mean - 2 * sd, mean + 2 * sd)
    return {
        "instrument": instrument,
        "source": str(alpha.get("model") or ", ".join(alpha.get("sources") or {})),
        "ns": alpha["ns"],
        "horizon_s": None if horizon_ns is None else horizon_ns / 1e9,
        "forecast_bps": mean,
        "low": low,
        "high": high,
        "came_bps": came_bps,
    }
