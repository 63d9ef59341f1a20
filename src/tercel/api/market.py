"""Markets: where orders are worked. A market owns its law of impact, its fees, its latencies and its regimes."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.orders import Order
from tercel.lab.evaluation.pipeline.request import markets_of
from tercel.lab.evaluation.settings import RunSettings
from tercel.lab.evaluation.venue import fees_of, latency_of, tape_of
from tercel.market.flow import preset as presets
from tercel.market.score.calibrated import calibrated
from tercel.market.score.stretches import read_days
from tercel.market.simulator.queue_models import DEFAULT, queue_model
from tercel.market.simulator.terms import NO_FEES, Fees

AT_ONCE: Final = Latency()
LatencyLike = Latency | float | str
FeesLike = Fees | str


@dataclass(frozen=True)
class Market:
    """A market; :func:`load_market`, :func:`replay` and :func:`calibrate` make one.

    Parameters
    ----------
    preset : str
        A simulated market, by name or as a ``.json`` file; empty on tape.
    lake, symbol : str
        Recorded days, and whose (several with commas); empty in a simulated market.
    days : tuple of str
        Days to judge on, YYYY-MM-DD; none: the later third. Days before them are for training and estimates.
    impact : str
        Law of impact. Of a preset: none, translation, weights, or "" for what it carries. On tape: none, square_root,
        propagator.
    fees : Fees
        Of the venue: price units a share, or bps of the value.
    latency, feed_latency : Latency
        How late orders arrive, and how late the market is seen.
    regimes : str
        What switches in a simulated market (chain, season, a name, a file); "": nothing.
    queue : str
        Queue model of tapes that show level totals alone.

    Raises
    ------
    ConfigError, UnknownNameError, TapeError
        A market, symbol, day, law or regime that does not exist.

    >>> load_market("csco-santa-fe", fees="-0.2,0.3bps").fees.unit
    'bps'
    """

    preset: str = ""
    lake: str = ""
    symbol: str = ""
    days: tuple[str, ...] = ()
    impact: str = ""
    fees: Fees = NO_FEES
    latency: Latency = AT_ONCE
    feed_latency: Latency = AT_ONCE
    regimes: str = ""
    queue: str = DEFAULT

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        if bool(self.preset) == bool(self.lake) or bool(self.lake) != bool(self.symbol):
            received = f"preset {self.preset!r}, lake {self.lake!r}, symbol {self.symbol!r}"
            remedy = "call load_market(name) or replay(lake, symbol)"
            raise ConfigError("a preset, or a lake and a symbol", received, remedy)
        if self.lake and self.regimes:
            raise ConfigError("regimes in a simulated market", f"{self.regimes} on tape", "a tape has its own")
        queue_model(self.queue)
        self.scenarios(Task())

    @property
    def name(self) -> str:
        """As tables call it."""
        return ", ".join(self.scenarios(Task()))

    @property
    def on_tape(self) -> bool:
        """Whether recorded days are replayed."""
        return bool(self.lake)

    def settings(self, task: Task) -> RunSettings:
        """The same market with a task in it, as the command line has it.

        Raises
        ------
        ConfigError
            Recorded days of several symbols.
        """
        found = self.scenarios(task)
        if len(found) > 1:
            raise ConfigError("a market of one symbol", self.symbol, "replay one of them; evaluate takes several")
        return next(iter(found.values()))

    def lots(self, task: Task) -> int:
        """Lots of the task's order in a simulated market.

        Raises
        ------
        ConfigError
            On tape, where the size goes by the time of day.
        """
        if self.on_tape:
            raise ConfigError("a simulated market", self.name, "ask result.episode(i) for the lots of an order")
        return task.lots(presets.load(self.preset).volume_per_s)

    def scenarios(self, task: Task, orders: Sequence[Order] = ()) -> dict[str, RunSettings]:
        """Each symbol with a task in it by name, as the command line has them; or the tapes of orders in the lake."""
        late = task.latency if self.latency == AT_ONCE else self.latency
        seen = task.feed_latency if self.feed_latency == AT_ONCE else self.feed_latency
        timed = replace(task, latency=late, feed_latency=seen)
        names = [self.preset] if self.preset else []
        lake, symbol = (Path(self.lake), self.symbol) if self.lake else (None, None)
        found = markets_of(names, lake, symbol, self.impact or None, timed, self.fees, self.regimes, self.days, orders)
        return {name: replace(one, queue=self.queue) for name, one in found.items()}


def load_market(
    name: str = presets.DEFAULT,
    *,
    impact: str = "",
    fees: FeesLike = NO_FEES,
    latency: LatencyLike = AT_ONCE,
    feed_latency: LatencyLike = AT_ONCE,
    regimes: str = "",
) -> Market:
    """A simulated market: order flow calibrated from recorded days, own orders by the rules of replay.

    Parameters
    ----------
    name : str
        A preset that ships (``tercel market list``), or a ``.json`` file.
    impact : str
        none, translation or weights; "": what the preset carries.
    fees : Fees or str
        ``Fees(maker, taker, unit)``, or text such as ``"-0.002,0.003"`` (price units a share) or ``"1,5bps"``.
    latency, feed_latency : Latency, float or str
        Milliseconds, ``"1,3"`` for evenly between two, or a ``Latency``.
    regimes : str
        chain, season, a regime's name (several with commas), or a ``.toml`` file.

    Raises
    ------
    ConfigError, UnknownNameError

    >>> load_market("csco-santa-fe", latency=5).latency.a_ns
    5000000
    """
    if not isinstance(name, str | Path):
        raise ConfigError("the name of a market, or a .json file", f"{type(name).__name__} {name!r}", "such as 'csco'")
    late = _latency(latency, "latency"), _latency(feed_latency, "feed_latency")
    return Market(
        preset=str(name), impact=impact, fees=_fees(fees), latency=late[0], feed_latency=late[1], regimes=regimes
    )


def replay(
    lake: str | Path,
    symbol: str,
    *,
    days: Sequence[str] = (),
    impact: str = "square_root",
    queue: str = DEFAULT,
    fees: FeesLike = NO_FEES,
    latency: LatencyLike = AT_ONCE,
    feed_latency: LatencyLike = AT_ONCE,
) -> Market:
    """Recorded days as a market: own orders join queues at their true place, take displayed lots once.

    Parameters
    ----------
    lake : str or Path
        Folder of imported days (:class:`Lake`).
    symbol : str
        Several with commas are judged beside each other, and pooled.
    days : sequence of str
        Days to judge on; by default the later third. Earlier days are for training and estimates. Orders by the clock
        are judged on every day, and the other hours are for training.
    impact : str
        square_root and propagator move the tape's prices by own volume, which is a prior; none leaves them.
    queue : str
        Queue model where the tape shows level totals alone.
    fees, latency, feed_latency
        As in :func:`load_market`; a latency may also be ``"tape"``: as late as the tape's rows were received.

    Raises
    ------
    ConfigError, TapeError
        A symbol or day that the lake does not hold, a law or queue model that does not exist.

    >>> from tempfile import TemporaryDirectory
    >>> from tercel.api.testing.lake import simulated_lake
    >>> with TemporaryDirectory() as folder:
    ...     lake = simulated_lake(Path(folder), 0.25)
    ...     replay(folder, "SIM", fees="-0.002,0.003").name
    'SIM tape'
    """
    entry, feed = (_latency(one, "latency", *tape_of(Path(lake), symbol)) for one in (latency, feed_latency))
    return Market(
        lake=str(lake), symbol=symbol, days=tuple(days), impact=impact, queue=queue, fees=_fees(fees), latency=entry,
        feed_latency=feed,
    )  # fmt: skip


def calibrate(
    lake: str | Path,
    symbol: str,
    days: Sequence[str],
    *,
    model: str = "queue_reactive",
    name: str = "",
    out: str | Path | None = None,
) -> Market:
    """A simulated market whose order flow is fitted to recorded days. About a minute for a few days.

    Parameters
    ----------
    lake, symbol
        Where the days are.
    days : sequence of str
        YYYY-MM-DD.
    model : str
        queue_reactive, hawkes or santa_fe.
    name : str
        Of the market; symbol and days if not given.
    out : str or Path, optional
        The ``.json`` file that is written; a temporary one if not given.

    Raises
    ------
    ConfigError, TapeError
        A model that does not exist, a day that the lake does not hold or that is too short.

    See Also
    --------
    ``tercel market score`` says how near simulated days are to recorded ones.

    >>> from tempfile import TemporaryDirectory
    >>> from tercel.api.testing.lake import simulated_lake
    >>> with TemporaryDirectory() as folder:
    ...     lake = simulated_lake(Path(folder), 0.5)
    ...     calibrate(folder, "SIM", lake.days("SIM")[:1], model="santa_fe", name="mine").name
    'mine'
    """
    read = read_days(Path(lake), symbol, list(days))
    called = name or f"{symbol.lower()}-{days[0]}" + (f"-{days[-1]}" if len(days) > 1 else "")
    file = Path(tempfile.mkdtemp(prefix="tercel-")) / f"{called}.json" if out is None else Path(out)
    calibrated(model, read, name=called, stamp=days[-1]).save(file)
    return load_market(str(file))


def _fees(fees: FeesLike) -> Fees:
    return fees_of(fees) if isinstance(fees, str) else fees


def _latency(latency: LatencyLike, name: str, lake: str = "", symbol: str = "") -> Latency:
    if isinstance(latency, Latency):
        return latency
    return latency_of(latency if isinstance(latency, str) else f"{latency!r}", name, lake, symbol)
