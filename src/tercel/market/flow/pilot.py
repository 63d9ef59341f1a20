"""Census of simulated days, against which a preset's card is scored."""

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.census import Census, census
from tercel.market.flow.port import Preset
from tercel.market.simulator.days import simulated_day


def simulated_census(preset: Preset, seed: int, seconds: float, warmup_s: float = 600.0) -> Census:
    """Census of a simulated day without its warm-up."""
    events = simulated_day(preset, seed, seconds, warmup_s)
    warm, stop = int(warmup_s * NS_PER_SECOND), int((warmup_s + seconds) * NS_PER_SECOND)
    return census(events, 0, stop, warm)
