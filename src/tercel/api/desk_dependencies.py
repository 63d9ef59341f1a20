"""Parts of a desk by its file: the simulated exchange, or a venue behind a gate of the desk's own."""

from contextlib import ExitStack
from pathlib import Path

from tercel.api.demo.markets import SimulatedMarkets, pace_of, warm_up
from tercel.api.desk_shadow import recorded_exchange, refuse_short, shadow_of
from tercel.core.ports import Clock, Venue
from tercel.desk.engine.config import REPLAY, SHADOW, DeskConfig
from tercel.desk.engine.runtime import DependencyFactory, DeskDependencies
from tercel.desk.gate.process import FOLDER, venue_at
from tercel.venues.address import SIMULATED, Agree, connect, refuse_money
from tercel.venues.exchange.shadow import STREAM


def dependencies_of(
    config: DeskConfig, clock: Clock, beside: Path | None = None, agree: Agree = refuse_money
) -> DependencyFactory:
    """The parts of a desk by its file; kernels are compiled before a venue is connected to.

    Parameters
    ----------
    config : DeskConfig
    clock : Clock
        By which a desk on the simulated exchange is paced.
    beside : Path, optional
        Folder that relative files of the configuration lie in.
    agree : callable
        See `venues.address.connect`.
    """

    def make(folder: Path, latch: Path, opened: ExitStack) -> DeskDependencies:
        if config.data.lake:
            refuse_short(config, beside)
        markets = SimulatedMarkets()
        where = config.desk.venue
        limits = config.limits.file
        warm_up(config, markets)
        if config.desk.stage in (REPLAY, SHADOW):
            return DeskDependencies(_kept_here(config, clock, folder, beside))
        if where == SIMULATED:
            return markets.parts(config, clock)
        accounts = [agent.name for agent in config.agent]
        file = (beside or Path()) / limits if limits else None
        venue = venue_at(
            where, accounts, folder, file, latch, opened, beside, config.limits.changed, agree
        )
        before = venue.capabilities.parents
        gate = Path(before.journal) if before is not None and before.journal else folder / FOLDER
        return DeskDependencies(venue, gate=gate)

    return make


def _kept_here(config: DeskConfig, clock: Clock, folder: Path, beside: Path | None) -> Venue:
    """A venue whose orders do not leave: a recorded day, or the shadow of one or of another venue."""
    pace = pace_of(config, clock)
    if config.desk.stage == REPLAY:
        return recorded_exchange(config, beside, pace)
    if config.data.lake:
        data: Venue = recorded_exchange(config, beside, pace, shown=True)
    else:
        data = connect(
            config.desk.venue, [], folder / "data", beside, agree=lambda money: {}
        )  # no order leaves
    return shadow_of(config, data, folder / STREAM)
