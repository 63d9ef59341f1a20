"""Preset file of a Hawkes market: excitation, state factors, sizes and placement."""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from studies.flows.hawkes import layout as at
from tercel.core import Floats, Ints
from tercel.market import Lots, Positive, Rate
from tercel.market.flow import Preset

MOST_BASE = 1e6
"""Events a second beyond which a file is refused: no market sends as many, and none could be simulated."""
MOST_RADIUS = 0.99
"""Spectral radius beyond which a file is refused."""

Reals = tuple[Rate, ...]
Whole = tuple[Annotated[int, Field(ge=0, le=1_000_000)], ...]


class HawkesPreset(Preset):
    """Parameters of one Hawkes market; the law is that of `fit`, the six kinds those of `layout`, bid and ask alike.

    Attributes
    ----------
    decays : tuple of float, length 5
        beta, 1/s.
    base : tuple of float, length 6
        mu: events per second and side that nothing excited, at factors of 1.
    children : nested tuple [6][2][6][5]
        Mean events of kind i, same side or other, that one event of kind j excites with each decay (alpha / beta).
    spread_edges, queue_edges : tuple of int, lengths 7 and 5
        Least spread (ticks), least lots at the touch of classes 1, 2, ...
    spread_imbalance : nested tuple [6][8][7]
        Factor of every kind by spread class and imbalance class of its side.
    queue : nested tuple [6][6]
        ... by lots at the own touch (market orders: at the touch they hit).
    cancel_rate : tuple of float, length 256
        Relative, by ticks behind the own best.
    depth_scale : float
        Makes the lots on levels 2 to 5, each times its cancel rate, a factor with mean 1.
    sizes : nested tuple [3][128]
        Equally likely lots of limit orders in the spread, at best, deeper.
    less : nested tuple [6][64]
        Equally likely lots of market orders that leave some of the queue they meet, by its class.
    more : tuple of float, length 64
        Lots of those that take more than the queue, over the queue's.
    improvement, distance : nested tuple [8][64]
        Equally likely ticks inside and behind the own best, by spread class.
    sweep : nested tuple [6][2]
        Shares of market orders that take exactly the queue they meet, and less, by its class.
    back : tuple of float, length 2
        Share of limit orders in the spread that come back to the best price their side gave up last, where that lies
        in the spread: given up by a cancel, by a trade.
    season : tuple of float, length 13
        Factor of the base rates, by time of day; the last one stays.
    season_s : float
        Seconds of each.
    most_rate : float
        Events a second that are never exceeded.
    refresh_s : float
        Rates are looked at again after that long without an event.
    window : int
        Levels a side that the tape showed, 0 all: orders come to rest within them, and what is cancelled is there.
    """

    apart: ClassVar[bool] = True

    model: Literal["hawkes"] = "hawkes"
    decays: Annotated[tuple[Positive, ...], Field(min_length=at.DECAYS, max_length=at.DECAYS)]
    base: Annotated[tuple[Positive, ...], Field(min_length=at.KINDS, max_length=at.KINDS)]
    children: tuple[tuple[tuple[Reals, ...], ...], ...]
    spread_edges: Annotated[Whole, Field(min_length=at.SPREADS - 1, max_length=at.SPREADS - 1)]
    queue_edges: Annotated[Whole, Field(min_length=at.QUEUES - 1, max_length=at.QUEUES - 1)]
    spread_imbalance: tuple[tuple[Reals, ...], ...]
    queue: tuple[Reals, ...]
    cancel_rate: Annotated[Reals, Field(min_length=at.REACH, max_length=at.REACH)]
    depth_scale: Positive
    sizes: tuple[tuple[Lots, ...], ...]
    less: tuple[tuple[Lots, ...], ...]
    more: tuple[Positive, ...]
    improvement: tuple[Whole, ...]
    distance: tuple[Whole, ...]
    sweep: tuple[Reals, ...]
    back: tuple[Rate, Rate]
    season: Annotated[tuple[Positive, ...], Field(min_length=at.SEASONS, max_length=at.SEASONS)]
    season_s: Positive
    most_rate: Positive
    refresh_s: Positive
    window: Annotated[int, Field(ge=0, le=1000)]

    @model_validator(mode="after")
    def _fits_together(self) -> "HawkesPreset":
        if sum(self.base) > MOST_BASE:
            raise ValueError(
                f"base rates of {sum(self.base):g} events a second; at most {MOST_BASE:g}"
            )
        shapes = {
            "children": (at.KINDS, 2, at.KINDS, at.DECAYS),
            "spread_imbalance": (at.KINDS, at.SPREADS, at.IMBALANCES),
            "queue": (at.KINDS, at.QUEUES),
            "sizes": (3, at.SIZES),
            "less": (at.QUEUES, at.PLACES),
            "more": (at.PLACES,),
            "improvement": (at.SPREADS, at.PLACES),
            "distance": (at.SPREADS, at.PLACES),
            "sweep": (at.QUEUES, 2),
        }
        for name, shape in shapes.items():
            try:
                found = np.shape(getattr(self, name))
            except ValueError:
                found = None
            if found != shape:
                raise ValueError(f"{name} is of shape {found}, not {shape}")
        if self.radius > MOST_RADIUS:
            raise ValueError(
                f"a spectral radius of {self.radius:.3f}: events would excite ever more events"
            )
        if self.start_mid_ticks <= 2 * max(max(row) for row in self.distance):
            raise ValueError(
                f"start_mid_ticks {self.start_mid_ticks}: prices below zero are within reach"
            )
        return self

    @property
    def typical_lots(self) -> int:
        """Mean size of a limit order."""
        return max(int(np.mean(self.sizes)), 1)

    @property
    def branching(self) -> Floats:
        """Mean children of kind i, either side, per event of kind j: float64[6, 6]."""
        return np.asarray(np.sum(self.children, axis=(1, 3)))

    @property
    def radius(self) -> float:
        """Spectral radius of `branching`; below 1 for a stationary process."""
        return float(np.abs(np.linalg.eigvals(self.branching)).max())

    def pack_parameters(self) -> Floats:
        """Parameters in the order of `layout`."""
        flow = np.zeros(at.WORDS)
        theta = np.asarray(self.cancel_rate)
        flow[[at.DEPTH_SCALE, at.SEASON_S, at.MOST_RATE, at.REFRESH_S, at.THETA_MAX, at.WINDOW]] = (
            self.depth_scale,
            self.season_s,
            self.most_rate,
            self.refresh_s,
            theta.max(),
            self.window,
        )
        jumps = np.asarray(self.children) * np.asarray(self.decays)  # [target][rel][source][decay]
        for offset, values in (
            (at.BETA, self.decays),
            (at.BASE, self.base),
            (at.JUMP, jumps.transpose(2, 1, 0, 3)),
            (at.SPREAD_EDGE, self.spread_edges),
            (at.QUEUE_EDGE, self.queue_edges),
            (at.STATE, self.spread_imbalance),
            (at.QUEUE, self.queue),
            (at.THETA, theta),
            (at.SIZE, self.sizes),
            (at.LESS, self.less),
            (at.MORE, self.more),
            (at.IMPROVE, self.improvement),
            (at.DISTANCE, self.distance),
            (at.SWEEP, self.sweep),
            (at.SEASON, self.season),
            (at.BACK, self.back),
        ):
            flat = np.asarray(values, np.float64).ravel()
            flow[offset : offset + len(flat)] = flat
        return flow

    def init_memory(self, k: Ints) -> None:
        """Initial memory: stationary excitation, every kind at its mean."""
        mean = np.linalg.solve(np.eye(at.KINDS) - self.branching, np.asarray(self.base))
        excited = np.einsum("irjk,j->ik", np.asarray(self.children) * np.asarray(self.decays), mean)
        excited /= np.asarray(self.decays)
        k[at.EXCITED : at.EXCITED + 2 * excited.size] = np.tile(excited.ravel(), 2).view(np.int64)
