"""`tercel.load_market`, `replay` and `calibrate`: functions that make a `Market`, with impact, fees, latencies and regimes."""

import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.progress import say
from tercel.execution.market import AT_ONCE, Market, fees_of, latency_of, make_market
from tercel.execution.task import Latency
from tercel.lab.evaluation.market import resolve_markets
from tercel.market.flow import Preset, registry as presets
from tercel.market.score.calibrated import calibrate_days, describe_fit
from tercel.market.score.card import ScoreCard
from tercel.market.simulator.queue_models import DEFAULT
from tercel.market.simulator.terms import NO_FEES, Fees

LatencyLike = Latency | float | str
FeesLike = Fees | str
__all__ = ["Market", "calibrate", "load_market", "replay"]


def load_market(
    name: str = presets.DEFAULT,
    *,
    impact: str = "",
    passive_impact: float = 1.0,
    impact_scale: float = 1.0,
    fees: FeesLike = NO_FEES,
    latency: LatencyLike = AT_ONCE,
    feed_latency: LatencyLike = AT_ONCE,
    regimes: str = "",
) -> Market:
    """Load a simulated market: order flow calibrated from recorded days, own orders in its book.

    Parameters
    ----------
    name : str
        A built-in preset (``tercel market list``), or a ``.json`` file.
    impact : str
        Law of impact: none, translation or weights; "": the preset's own.
    passive_impact, impact_scale : float
        Impact of a resting fill to that of a take, from 0 to 1, and a factor of the law, above 0: neither is known.
    fees : Fees or str
        ``Fees(maker, taker, unit)``, or text such as ``"-0.002,0.003"`` (price units a share) or ``"1,5bps"``.
    latency, feed_latency : Latency, float or str
        Milliseconds, ``"1,3"`` for uniform between two values, or a ``Latency``.
    regimes : str
        chain, season, a regime's name (several with commas), or a ``.toml`` file.

    Raises
    ------
    ConfigError, UnknownNameError

    >>> load_market("csco-santa-fe", latency=5).latency.a_ns
    5000000
    """
    refuse_if(
        not isinstance(name, str | Path),
        "the name of a market, or a .json file",
        f"{type(name).__name__} {name!r}",
        "such as 'sh600961'",
    )
    entry = latency_of(latency, "latency")
    feed = latency_of(feed_latency, "feed_latency")
    market = make_market(
        str(name),
        impact=impact,
        passive_impact=passive_impact,
        impact_scale=impact_scale,
        fees=fees_of(fees),
        latency=entry,
        feed_latency=feed,
        regimes=regimes,
    )
    resolve_markets(market)
    return market


def replay(
    lake: str | Path,
    symbol: str,
    *,
    days: Sequence[str] = (),
    impact: str = "square_root",
    passive_impact: float = 1.0,
    impact_scale: float = 1.0,
    queue: str = DEFAULT,
    fees: FeesLike = NO_FEES,
    latency: LatencyLike = AT_ONCE,
    feed_latency: LatencyLike = AT_ONCE,
    bound: str = "undercut",
) -> Market:
    """Make a market of recorded days: own orders join queues at their true position, take displayed lots once.

    Parameters
    ----------
    lake : str or Path
        Folder of imported days (:class:`Lake`).
    symbol : str
        Symbol on the tape; several, with commas, are evaluated one by one and pooled.
    days : sequence of str
        Days of the evaluation; by default the later third. Earlier days are for training and estimates. Orders with a
        start time are evaluated on every day, and the other hours are for training.
    impact : str
        Law of impact: square_root and propagator move the tape's prices by own volume (a prior); none does not.
    passive_impact, impact_scale : float
        As in `load_market`.
    queue : str
        Queue model for a tape with level totals only.
    fees, latency, feed_latency
        As in :func:`load_market`; a latency may also be ``"tape"``: as late as the tape's rows were received.
    bound : str
        Fill assumption: kind (recorded trades fill own orders at their price once nothing is ahead), strict (only trades
        through it do), undercut (as strict; an own order alone inside the spread is undercut as often as public ones are).
        On level totals: optimistic, pessimistic, else the queue model.

    Raises
    ------
    ConfigError, TapeError
        A symbol or day that is not in the lake, an unknown impact law or queue model.

    >>> from tempfile import TemporaryDirectory
    >>> from tercel.market.simulator.days import simulated_lake
    >>> with TemporaryDirectory() as folder:
    ...     lake = simulated_lake(Path(folder), 0.25)
    ...     replay(folder, "SIM", fees="-0.002,0.003").name
    'SIM tape'
    """
    market = Market(
        lake=str(lake),
        symbol=symbol,
        days=tuple(days),
        impact=impact,
        passive_impact=passive_impact,
        impact_scale=impact_scale,
        queue=queue,
        fees=fees_of(fees),
        bound=bound,
        latency=latency_of(latency, "latency", lake, symbol),
        feed_latency=latency_of(feed_latency, "feed_latency", lake, symbol),
    )
    if not resolve_markets(market):
        raise ConfigError(
            "a symbol of the lake", repr(symbol), "Lake(lake).list() says what it holds"
        )
    return market


def calibrate(
    lake: str | Path,
    symbol: str,
    days: Sequence[str],
    *,
    held_out: Sequence[str] | None = None,
    model: str = "queue_reactive",
    name: str = "",
    out: str | Path | None = None,
    hours: tuple[str, str] = ("", ""),
    stamp: str = "",
    venue: str = "",
    levels: int | None = None,
    lot: int | None = None,
) -> Market:
    """Calibrate a simulated market: its order flow is fitted to recorded days. About a minute for a few days.

    A line says how near it comes to days that it was not fitted to. The same days give the same market as
    ``tercel market calibrate``.

    Parameters
    ----------
    lake, symbol
        Folder of imported days, and symbol.
    days : sequence of str
        YYYY-MM-DD.
    held_out : sequence of str, optional
        Days that are not fitted, to measure the market on; an empty list for none. By default the lake's next days, else
        the last of `days`, else every second half hour of a single day; a model that reads whole days is not measured
        without them.
    model : str
        Flow model: queue_reactive, santa_fe, or resampled: days made of blocks of these days, which stay needed (single
        orders, five levels a side or more). Or one of an installed package: hawkes comes with ``tercel-studies``.
    name : str
        Name of the market; that of the file, or symbol and days, if not given.
    out : str or Path, optional
        The ``.json`` file that is written; a temporary one if not given. Its card has all figures of the fit.
    hours : pair of str
        Begin and end of the stretch of each day, local time of the exchange, HH:MM; "": from the opening, to the close.
    stamp : str
        Date of this calibration, for the card; today by default.
    venue : str
        Needed where several have the symbol.
    levels : int, optional
        Read the tape as a feed of so many levels.
    lot : int, optional
        Units of a simulated lot; the coarsest that keeps the sizes if not given.

    Raises
    ------
    ConfigError, TapeError
        An unknown model, a day that is not in the lake or too short, a day both fitted and held out.

    See Also
    --------
    ``tercel market score`` measures more, on any days.

    >>> from tempfile import TemporaryDirectory
    >>> from tercel.market.simulator.days import simulated_lake
    >>> with TemporaryDirectory() as folder:
    ...     lake = simulated_lake(Path(folder), 0.5)
    ...     calibrate(folder, "SIM", lake.days("SIM")[:1], model="santa_fe", name="mine").name
    'mine'
    """
    if out is None:
        market_name = name or "-".join([symbol.lower(), *dict.fromkeys((*days[:1], *days[-1:]))])
        file = Path(tempfile.mkdtemp(prefix="tercel-")) / f"{market_name}.json"
    else:
        file = Path(out)
    write_calibrated(
        file,
        Path(lake),
        symbol,
        days,
        held_out,
        model=model,
        name=name,
        stamp=stamp,
        hours=hours,
        venue=venue,
        levels=levels,
        lot=lot,
    )
    return load_market(str(file))


def write_calibrated(
    file: Path,
    lake: Path,
    symbol: str,
    dates: Sequence[str],
    held_out: Sequence[str] | None = None,
    *,
    name: str,
    stamp: str,
    **options: Any,
) -> tuple[Preset, ScoreCard | None]:
    """Fit a preset to recorded days (`calibrate_days`), write it to a ``.json`` file, say how well it fits; both are returned.

    Parameters
    ----------
    file : Path
        Its name is the market's, if `name` is empty.
    lake, symbol, dates, held_out, **options
        Of `calibrate_days`.
    name, stamp : str
        Name and date of the preset; an empty date is today.

    Raises
    ------
    ConfigError
        A file that cannot be written, and as `calibrate_days`.
    """
    refuse_if(
        file.suffix != ".json" or file.is_dir() or not file.parent.is_dir(),
        "a file to write (.json) in a folder that exists",
        f"`out={file}`",
        "name another `out=`",
    )
    preset, card = calibrate_days(
        lake,
        symbol,
        dates,
        held_out,
        name=name or file.stem,
        stamp=stamp or datetime.now().date().isoformat(),
        **options,
    )
    preset.save(file)
    say(describe_fit(preset))
    return preset, card
