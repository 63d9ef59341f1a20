"""A task: the order to execute, its horizon, and when decisions fall due."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import InitVar, asdict, dataclass
from math import ceil
from typing import Any, Final, cast

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.price_limit import limit_of
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.market.simulator import layout as sim
from tercel.market.tape.local_times import clock_s

CLOCKS = ("time", "events", "volume")
LATENCIES = {
    "constant": sim.CONSTANT,
    "uniform": sim.UNIFORM,
    "exponential": sim.EXPONENTIAL,
    "empirical": sim.EMPIRICAL,
}

NANOSECOND = 1e-9
# Horizons and warm-ups beyond this are a slip; their sum in nanoseconds stays far inside int64.
LONGEST_S = 1e7


# Fields that came later: where they are not used, no file says them.
LATER: Final = ("quantity", "start", "limit_price")
SIDES: Final = {"buy": BUY, "sell": SELL, "both": 0}
# The order of a task that names no size, as a share of the volume.
SHARE: Final = 0.10
_UNITS: Final = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_PART: Final = re.compile(r"\s*(\d+(?:\.\d*)?)\s*(s|sec|min|m|h)")


def seconds_of(span: float | str) -> float:
    """A span of time in seconds: a number, or text such as ``30min``, ``2h``, ``90``, ``1h30min``; ConfigError for other text.

    Raises
    ------
    ConfigError
        Text that is no span.

    >>> seconds_of(90), seconds_of("90"), seconds_of("1h30min")
    (90.0, 90.0, 5400.0)
    """
    if not isinstance(span, str) or span.isdecimal():
        return float(span)
    parts = _PART.findall(span)
    refuse_if(
        not parts or _PART.sub("", span).strip(),
        "seconds, or a span such as 30min, 2h or 90s",
        repr(span),
        "write it as '30min'",
    )
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _is_count(value: object, least: int, most: int = 2**62) -> bool:
    """Whether a value is an integer from `least` to `most`, inclusive; a bool is none."""
    return type(value) is int and least <= value <= most


def describe_size(share: float | None, quantity: int) -> str:
    """Size of an order for people: a share of expected volume, or lots.

    >>> describe_size(0.1, 0), describe_size(0.025, 0), describe_size(None, 1200)
    ('10 % of the volume expected', '2.5 % of the volume expected', '1,200 lots')
    """
    return f"{quantity:,} lots" if share is None else f"{100 * share:.3g} % of the volume expected"


@dataclass(frozen=True)
class Latency:
    """A latency, nanoseconds.

    Parameters
    ----------
    kind : str
        `constant` a; `uniform` on [a, b]; `exponential`: a plus a mean of b; `empirical`: one of `values_ns`.
    a_ns, b_ns : int
    values_ns : tuple of int
        32 equally likely values, such as `market.simulator.terms.receive_delays` takes from a tape.

    Raises
    ------
    ConfigError
        A law that does not exist, or times below 0.

    >>> Latency("uniform", a_ns=1_000_000, b_ns=3_000_000).mean_ns
    2000000.0
    """

    kind: str = "constant"
    a_ns: int = 0
    b_ns: int = 0
    values_ns: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown law, or negative or unordered parameters."""
        fits = self.kind in LATENCIES and self.a_ns >= 0 and self.b_ns >= 0
        values = sim.LATENCY_VALUES if self.kind == "empirical" else 0
        refuse_if(
            (
                len(self.values_ns) != values
                or any(not _is_count(value, 0) for value in self.values_ns)
            ),
            f"{values} values of 0 ns or more for a latency of kind {self.kind}",
            f"{len(self.values_ns)}: {self.values_ns}",
            "take them from a tape: market.simulator.terms.receive_delays",
        )
        refuse_if(
            not fits or (self.kind == "uniform" and self.b_ns < self.a_ns),
            f"a latency of kind {', '.join(LATENCIES)} with a_ns >= 0 and, if uniform, b_ns >= a_ns",
            f"{self.kind}, a_ns={self.a_ns}, b_ns={self.b_ns}",
            'write it as Latency("constant", a_ns=1_000_000)',
        )

    @property
    def mean_ns(self) -> float:
        """Mean of the latency, ns, by its kind.

        >>> Latency("uniform", 1_000, 3_000).mean_ns
        2000.0
        """
        if self.kind == "empirical":
            return sum(self.values_ns) / len(self.values_ns)
        return (
            (self.a_ns + self.b_ns) / 2 if self.kind == "uniform" else float(self.a_ns + self.b_ns)
        )


# Order-entry latency where none is said: from a desk's decision to a venue in its region, some milliseconds.
ENTRY: Final = Latency("constant", a_ns=5_000_000)


@dataclass(frozen=True)
class Task:
    """Execute an order within a horizon.

    Parameters
    ----------
    side : int
        +1 buy, -1 sell, 0: episodes alternate; or the words buy, sell, both.
    share : float, optional
        The order as a share of the volume expected within the horizon; 0.10 where no quantity is given, else None.
    horizon_s : float
        Seconds from arrival to the horizon; the remaining lots go to the market then.
    decisions : int
        Decisions at most; on the time clock they fall on an even grid, the first at arrival.
    clock : str
        "time"; "events": a decision every `clock_step` public events; "volume": every `clock_step` public lots.
    clock_step : int
        See `clock`.
    warmup_s : float
        Seconds that the market runs before arrival.
    latency : Latency
        Order-entry latency.
    feed_latency : Latency
        Delay of market data (`market.simulator.terms`): orders decided on it leave so much later.
    grid_points : int
        Points of the time grid on which mids are compared with the counterfactual's.
    quantity : int
        The order in lots, at least 1, instead of a share. Reads 0 where the order is by `share`.
    limit_price : float or str, optional
        Worst price that the order may trade at, price units (recorded days, one side), or text such as ``25bps``: at
        most so far beyond the mid at arrival, above it for a buy and below it for a sell. Every strategy is held to it,
        and so is the order at the horizon. The lots left then are unfilled, and booked at the price of the next lot
        plus the law for the whole order.
    start : str
        Arrival by the clock of the exchange, HH:MM: one order a recorded day. "": one after the other, all day.
    horizon : float or str, optional
        `horizon_s` in words: seconds, or text such as ``30min`` or ``2h``. It cannot be read back; `horizon_s` can.
    end : str, optional
        With `start`, the horizon by the clock.

    Raises
    ------
    ConfigError
        A value outside its range, `share` beside `quantity`, `end` without `start` or beside `horizon`, a price as
        limit of both sides.

    >>> Task(share=0.1, horizon="30min").lots(volume_per_s=1.0)
    180
    >>> Task(quantity=500, start="10:30", end="12:30").horizon_s
    7200.0
    >>> Task(side="sell", limit_price="25bps").limit(SELL)
    (0, 99750000)
    """

    side: int = 0
    share: float | None = None
    horizon_s: float = 1800.0
    decisions: int = 60
    clock: str = "time"
    clock_step: int = 0
    warmup_s: float = 900.0
    latency: Latency = ENTRY
    feed_latency: Latency = Latency()
    grid_points: int = 61
    quantity: int = cast(int, None)
    start: str = ""
    limit_price: float | str | None = None
    horizon: InitVar[float | str | None] = None
    end: InitVar[str | None] = None

    def __post_init__(self, horizon: float | str | None, end: str | None) -> None:
        """Fill in side, size and horizon from words and defaults; ConfigError for what cannot be run."""
        if isinstance(self.side, str):
            refuse_if(
                self.side not in SIDES,
                f"a side: {', '.join(SIDES)}",
                repr(self.side),
                "such as 'buy'",
            )
            object.__setattr__(self, "side", SIDES[self.side])
        refuse_if(
            self.share is not None and self.quantity,
            "a task with a share of the volume or a quantity",
            f"share {self.share!r} and quantity {self.quantity!r}",
            "leave one out",
        )
        if self.share is None and self.quantity is None:
            object.__setattr__(self, "share", SHARE)
        if self.share is not None:
            object.__setattr__(self, "quantity", 0)
        refuse_if(
            horizon is not None and end is not None,
            "a task with horizon or end",
            f"horizon {horizon!r} and end {end!r}",
            "leave one out",
        )
        refuse_if(
            end is not None and not self.start,
            "a task whose end has a start",
            f"end {end!r} alone",
            "add start, or give horizon",
        )
        if self.start:
            clock_s(self.start)
        if end is not None:
            horizon = clock_s(end) - clock_s(self.start)
            refuse_if(
                horizon <= 0,
                "an end after the start",
                f"start {self.start} and end {end}",
                "give horizon instead",
            )
        if horizon is not None:
            object.__setattr__(self, "horizon_s", seconds_of(horizon))
        wrong = [
            (self.side not in (BUY, SELL, 0), "side", "+1, -1 or 0", "alternate with 0"),
            (
                self.share is not None
                and (
                    isinstance(self.share, bool)
                    or not isinstance(self.share, int | float)
                    or not 0 < self.share <= 1
                ),
                "share",
                "in (0, 1] of the expected volume",
                "such as 0.1 for 10 %",
            ),
            (
                not NANOSECOND <= self.horizon_s <= LONGEST_S,
                "horizon_s",
                "from 1 ns to 10 million s",
                "such as 1800",
            ),
            (
                not _is_count(self.decisions, 1),
                "decisions",
                "a whole number, at least 1",
                "such as 60",
            ),
            (self.clock not in CLOCKS, "clock", f"one of {', '.join(CLOCKS)}", "use time"),
            (
                self.clock != "time" and not _is_count(self.clock_step, 1),
                "clock_step",
                "at least 1",
                "such as 100",
            ),
            (
                not 0 <= self.warmup_s <= LONGEST_S,
                "warmup_s",
                "from 0 to 10 million s",
                "such as 900",
            ),
            (
                self.share is None and not _is_count(self.quantity, 1, 2**31 - 1),
                "quantity",
                "a whole number of lots, at least 1 and at most 2,147,483,647",
                "such as 500",
            ),
            (
                not _is_count(self.grid_points, 2, 100_000),
                "grid_points",
                "a whole number, 2 to 100,000",
                "such as 61",
            ),
        ]
        for bad, name, expected, remedy in wrong:
            refuse_if(bad, f"a task whose {name} is {expected}", f"{getattr(self, name)!r}", remedy)
        self.limit(self.side or BUY)
        if (
            self.side == 0
            and self.limit_price is not None
            and not isinstance(self.limit_price, str)
        ):
            remedy = "add side, or give the limit as '25bps' beyond the mid at arrival"
            raise ConfigError(
                "a limit price of one side", f"{self.limit_price!r} for buys and sells", remedy
            )

    @property
    def delay_ns(self) -> int:
        """Mean time from what a decision sees until its orders arrive: feed latency and order latency, ns."""
        return round(self.latency.mean_ns + self.feed_latency.mean_ns)

    @property
    def horizon_ns(self) -> int:
        """Nanoseconds from arrival to the horizon."""
        return round(self.horizon_s * NS_PER_SECOND)

    @property
    def hours(self) -> str:
        """Start and end of an order with a clock time, as "09:30 to 10:00"; "" for others.

        >>> Task(start="10:30", end="12:30").hours
        '10:30 to 12:30'
        """
        if not self.start:
            return ""
        end = ceil(clock_s(self.start) + self.horizon_s)
        seconds = f":{end % 60:02d}" if end % 60 else ""
        return f"{self.start} to {end // 3600:02d}:{end // 60 % 60:02d}{seconds}"

    @property
    def warmup_ns(self) -> int:
        """Nanoseconds of a simulated market before arrival."""
        return round(self.warmup_s * NS_PER_SECOND)

    def lots(self, volume_per_s: float) -> int:
        """Lots of the order: its share of `volume_per_s` lots a second over the horizon, at least 1, or its quantity."""
        return (
            max(round(self.share * volume_per_s * self.horizon_s), 1)
            if self.share is not None
            else self.quantity
        )

    def limit(self, side: int, tick: float = 0.01) -> tuple[int, int]:
        """Limit of an order of `side` as (ticks, 0), or (0, part of the arrival mid in `LIMIT_PARTS`-ths); (0, 0): none.

        Returns
        -------
        tuple of int
            `E_LIMIT` and `E_LIMIT_OF_MID` of `execution.step`, 0 without a limit.

        Raises
        ------
        ConfigError
            No price above 0, and no distance of at most 5,000 bps.
        """
        return limit_of(self.limit_price, side, tick)

    def limit_of_mid(self, side: int) -> int:
        """Limit of an order of `side` in a simulated market, as part of the arrival mid in `LIMIT_PARTS`-ths (0: none);
        ConfigError for a limit that is a price.

        Raises
        ------
        ConfigError
            A price.
        """
        ticks, of_mid = self.limit(side)
        refuse_if(
            ticks,
            "a limit price on recorded days",
            f"{self.limit_price!r} in a simulated market",
            "give it beyond the mid at arrival, such as '25bps'",
        )
        return of_mid

    def to_dict(self) -> dict[str, object]:
        """Fields as plain values for JSON and policy cards; unused newer fields are left out."""
        values = asdict(self)
        if self.feed_latency == Latency():
            del values["feed_latency"]
        for name in LATER:
            if not values[name]:
                del values[name]
        for latency in ("latency", "feed_latency"):
            if latency in values and not values[latency]["values_ns"]:
                del values[latency]["values_ns"]
        return values

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Task":
        """The task of values that :meth:`to_dict` gave: its inverse.

        >>> Task.of(Task(side=1, quantity=70).to_dict()) == Task(side=1, quantity=70)
        True
        """
        latencies = {name: values[name] for name in ("latency", "feed_latency") if name in values}
        laws = {
            name: Latency(**{**law, "values_ns": tuple(law.get("values_ns", ()))})
            for name, law in latencies.items()
        }
        return cls(**{**values, **laws})

    @property
    def id(self) -> str:
        """Short hash of all fields, which identifies what a policy was trained for."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:12]
