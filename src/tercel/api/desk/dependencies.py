"""Dependencies of a desk by its configuration: venue, news, baselines; in shadow or replay its orders do not leave."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tercel.api.simulated_desk import SimulatedMarkets, pace_of, warm_up
from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.pace import Pace
from tercel.core.ports import Clock, Venue
from tercel.core.venue_rules import VenueRules
from tercel.desk.engine.assembly import DependencyFactory, DeskDependencies
from tercel.desk.engine.config import REPLAY, SHADOW, DeskConfig
from tercel.desk.gate.process import FOLDER, connect_venue
from tercel.market.simulator import layout as sim
from tercel.market.simulator.terms import Fees
from tercel.market.tape import Lake, schema
from tercel.venues.address import SIMULATED, Agree, connect, refuse_money
from tercel.venues.exchange import EntryLatency, MarketSpec, SimulatedExchange
from tercel.venues.exchange.named_markets import recorded_market
from tercel.venues.exchange.shadow import ShadowRules, ShadowVenue
from tercel.venues.exchange.stream_file import STREAM


def refuse_short_day(config: DeskConfig, file_folder: Path | None) -> None:
    """Raise a ConfigError for a recorded day that ends before the desk's last round does.

    Raises
    ------
    TercelError
        No such lake, symbol or day, or one that is too short; the message has the available and the needed seconds.
    """
    desk = config.desk
    data = config.data
    for instrument in config.instrument:
        lake = Lake((file_folder or Path()) / data.lake)
        name = instrument.name
        venue = data.venue or None
        longest = lake.longest(name, venue)
        date = data.date or longest
        available_s = lake.span_s(name, date, venue, instrument.rules)
        needed_s = desk.warmup_s + desk.rounds * desk.round_s
        if available_s < needed_s:
            rounds_fit = int((available_s - desk.warmup_s) // desk.round_s)
            remedy = (
                f"set rounds = {rounds_fit} in [desk]"
                if rounds_fit > 0
                else "shorten warmup_s and round_s in [desk]"
            )
            remedy += f", name {longest}, the longest day" * (date != longest)
            raise ConfigError(
                f"{needed_s:,g} s of events: a warm-up of {desk.warmup_s:g} s, {desk.rounds} rounds of {desk.round_s:g} s",
                f"{available_s:,.1f} s, all that {name} has on {date}",
                f"{remedy}, or record a longer day",
            )


def recorded_days(config: DeskConfig, file_folder: Path | None) -> dict[str, str]:
    """Recorded day of each instrument of a desk, the longest where its file names none; {} for a desk without a lake.

    Raises
    ------
    TercelError
        No such lake or symbol.
    """
    data = config.data
    lake = Lake((file_folder or Path()) / data.lake)
    names = [instrument.name for instrument in config.instrument if data.lake]
    return {name: data.date or lake.longest(name, data.venue or None) for name in names}


def recorded_exchange(
    config: DeskConfig,
    file_folder: Path | None,
    pace: Pace | None = None,
    *,
    data_only: bool = False,
) -> SimulatedExchange:
    """Exchange on the recorded day of a desk's `[data]`; `data_only`: it takes no orders, and gives market data alone.

    Raises
    ------
    TercelError
        No such lake, symbol or day.
    """
    data = config.data
    specs: dict[str, MarketSpec] = {}
    for number, instrument in enumerate(config.instrument):
        specs |= recorded_market(
            (file_folder or Path()) / data.lake,
            instrument.name,
            data.date or None,
            config.desk.seed,
            levels=True,
            queue=data.queue,
            venue=data.venue or None,
            rules=instrument.rules,
            previous_close=instrument.previous_close,
        )
        spec = specs[instrument.name]
        source = replace(spec.source, fees=Fees(data.maker_bps, data.taker_bps, "bps"))
        specs[instrument.name] = replace(
            spec,
            source=source,
            index=number,
            volume_per_s=traded_per_s(source.tape, spec.rules),
            currency=instrument.currency,
        )
    if data_only:
        return SimulatedExchange(
            {name: replace(spec, client_orders=0) for name, spec in specs.items()}, pace=pace
        )
    return SimulatedExchange(specs, latency=latency_of(config), pace=pace)


def latency_of(config: DeskConfig) -> EntryLatency:
    """Order-entry latency in the configuration of a desk."""
    return EntryLatency("constant", round(config.desk.latency_ms * 1e6))


def traded_per_s(tape: Ints, hours: VenueRules) -> float:
    """Lots that a tape trades per second of trading time: the scale of random orders, known only after the day."""
    traded = (tape[:, sim.T_KIND] == schema.TRADE) | (tape[:, sim.T_KIND] == schema.EXECUTE)
    span = (
        hours.trading_ns(int(tape[0, sim.T_NS]), int(tape[-1, sim.T_NS])) / 1e9 if len(tape) else 0
    )
    return float(tape[traded, sim.T_LOTS].sum()) / span if span > 0 else 0.0


def shadow_of(config: DeskConfig, data: Venue, keep: Path) -> ShadowVenue:
    """A desk's venue in shadow of the venue `data`: its orders do not leave, its market data are recorded in `keep`."""
    names = [instrument.name for instrument in config.instrument]
    rules = ShadowRules(config.data.queue, totals=config.data.totals)
    return ShadowVenue(data, names, latency=latency_of(config), rules=rules, keep=keep)


def dependencies_of(
    config: DeskConfig, clock: Clock, file_folder: Path | None = None, agree: Agree = refuse_money
) -> DependencyFactory:
    """Factory of a desk's venue, news and anomaly baselines by its configuration; compiles before it connects.

    Parameters
    ----------
    config : DeskConfig
    clock : Clock
        Clock that paces a desk on the simulated exchange.
    file_folder : Path, optional
        Folder of the configuration's relative files.
    agree : callable
        See `venues.address.connect`.
    """

    def make(folder: Path, latch: Path, stack: ExitStack) -> DeskDependencies:
        """Make the dependencies for a desk in `folder`, with the kill latch's file; `stack` closes them."""
        if config.data.lake:
            refuse_short_day(config, file_folder)
        markets = SimulatedMarkets()
        address = config.desk.venue
        limits = config.limits.file
        warm_up(config, markets)
        if config.desk.stage in (REPLAY, SHADOW):
            return DeskDependencies(_paper_venue(config, clock, folder, file_folder))
        if address == SIMULATED:
            return markets.dependencies(config, clock)
        accounts = [agent.name for agent in config.agent]
        file = (file_folder or Path()) / limits if limits else None
        venue = connect_venue(
            address, accounts, folder, file, latch, stack, file_folder, config.limits.changed, agree
        )
        parent_terms = venue.capabilities.parents
        gate = (
            Path(parent_terms.journal)
            if parent_terms is not None and parent_terms.journal
            else folder / FOLDER
        )
        return DeskDependencies(venue, gate=gate)

    return make


def _paper_venue(config: DeskConfig, clock: Clock, folder: Path, file_folder: Path | None) -> Venue:
    """A venue whose orders do not leave: an exchange on a recorded day, or the shadow of another venue."""
    pace = pace_of(config, clock)
    if config.desk.stage == REPLAY:
        return recorded_exchange(config, file_folder, pace)
    if config.data.lake:
        data: Venue = recorded_exchange(config, file_folder, pace, data_only=True)
    else:
        data = connect(
            config.desk.venue, [], folder / "data", file_folder, agree=lambda money: {}
        )  # no order leaves
    try:
        return shadow_of(config, data, folder / STREAM)
    except BaseException:  # the shadow, which would close it, did not open
        data.close()
        raise
