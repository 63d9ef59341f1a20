"""Bars of an order book on a clock: flow by level, imbalance, microprice, spread, volatility, signed volume.

    flow = flow_of(events, levels=5)           what each message did, level by level
    bars(flow, edges, clip=past_quantile)      sums between the edges of a clock

One huge order ruins a slope that is fitted to sums of flow. So contributions can be clipped before they are summed.
"""

from dataclasses import dataclass

import numpy as np

from studies.signals import bar_kernels as k
from tercel.core import DataError, Floats, Longs
from tercel.market.book import OVERFLOW, new_book, new_ids
from tercel.market.tape import Events, Instrument, midnight_ns

ORDERS = 1 << 16
WIDTH = 4096
SECOND = 1_000_000_000
SESSION = (34_200 * SECOND, 57_600 * SECOND)
"""09:30 and 16:00 after midnight, where a tape does not say when it trades."""


@dataclass(frozen=True, eq=False)
class Flow:
    """Flow at the first levels of the book, message by message.

    Parameters
    ----------
    state : int64 (n, 7 + 2 L)
        Time, touches, executed lots signed by aggressor and unsigned, executions, public events, L bid, L ask lots.
    by_level : int64 (n, L)
        Order flow imbalance that the message made at each level, lots.
    """

    state: Longs
    by_level: Longs

    @property
    def ns(self) -> Longs:
        """Exchange time of each message."""
        return self.state[:, k.NS]

    @property
    def levels(self) -> int:
        """Levels of each side."""
        return int(self.by_level.shape[1])


def flow_of(events: Events, levels: int = 5) -> Flow:
    """Play a tape and note the flow of each message at the first `levels` levels.

    Raises
    ------
    DataError
        When the tape has no events, or more orders than the book has room for.
    """
    if events.n == 0:
        raise DataError("a tape with events", "none", "import a day first")
    if not 1 <= levels <= 5:
        raise DataError("1 to 5 levels", f"{levels}", "ask for fewer")
    orders = ORDERS
    while True:
        b = new_book(orders, WIDTH)
        ids = new_ids(orders)
        state = np.zeros((events.n, 7 + 2 * levels), np.int64)
        flow = np.zeros((events.n, levels), np.int64)
        n = k.flow_of_tape(
            b, ids, np.zeros(orders, np.int64), events.columns(), levels, state, flow,
            np.zeros(4 * levels, np.int64), np.zeros(4 * levels, np.int64),
        )  # fmt: skip
        if b[OVERFLOW] == 0:
            return Flow(state[:n].copy(), flow[:n].copy())
        orders *= 4
        if orders > 1 << 20:
            raise DataError(
                "at most a million resting orders",
                f"{int(b[OVERFLOW])} more",
                "cut the tape into days",
            )


def clock(open_ns: int, close_ns: int, every_ns: int) -> Longs:
    """Edges of bars from open to close; a last part that is no whole bar is left out.

    Raises
    ------
    DataError
        When not even one bar fits.
    """
    if every_ns <= 0 or close_ns - open_ns < every_ns:
        raise DataError(
            "a session longer than a bar",
            f"{close_ns - open_ns} ns and bars of {every_ns} ns",
            "use shorter bars",
        )
    return np.arange(open_ns, close_ns + 1, every_ns, dtype=np.int64)


def bars(flow: Flow, edges: Longs, clip: Floats | None = None) -> Floats:
    """Bars between edges, float64 (len(edges) - 1, 13 + L): `bar_kernels.BAR_COLUMNS`, then `ofi_1` .. `ofi_L`.

    Parameters
    ----------
    flow : Flow
    edges : int64 (m + 1,)
        Bar j holds messages with `edges[j] < ns <= edges[j + 1]`.
    clip : float64 (L,), optional
        Contributions are clipped to +- this before they are summed.
    """
    by_level = flow.by_level.astype(np.float64)
    if clip is not None:
        by_level = np.clip(by_level, -clip, clip)
    out = np.zeros((len(edges) - 1, len(k.BAR_COLUMNS) + flow.levels))
    k.bars_of_flow(flow.state, by_level, np.asarray(edges, np.int64), flow.levels, out)
    return out


def bar_names(levels: int) -> tuple[str, ...]:
    """Names of the columns of :func:`bars`.

    >>> bar_names(2)[-3:]
    ('rv', 'ofi_1', 'ofi_2')
    """
    return (*k.BAR_COLUMNS, *(f"ofi_{level}" for level in range(1, levels + 1)))


def session(instrument: Instrument) -> tuple[int, int]:
    """Open and close of continuous trading, ns since 1970 UTC."""
    if instrument.session_close_ns > instrument.session_open_ns > 0:
        return instrument.session_open_ns, instrument.session_close_ns
    start = midnight_ns(instrument.date, instrument.timezone)
    return start + SESSION[0], start + SESSION[1]
