"""What a desk knows of one instrument: its program, market, sizes, shares, forecast and posture."""

from array import array
from dataclasses import dataclass, field

from tercel.core.messages import Alpha, Posture
from tercel.desk.rounds.allocation import FlowShares
from tercel.desk.rounds.flow_shortfall import FlowShortfall
from tercel.desk.rounds.forecasts import Outlook
from tercel.desk.rounds.monitor import MarketMonitor
from tercel.desk.rounds.sizing import Sizing
from tercel.signals.risk.posture import PosturePolicy


@dataclass
class InstrumentState:
    """What the desk knows of one instrument."""

    flow: FlowShortfall
    monitor: MarketMonitor
    sizing: Sizing
    weights: FlowShares
    policy: PosturePolicy | None
    outlook: Outlook | None = None
    posture: Posture | None = None
    round_costs: dict[str, float] = field(default_factory=dict)
    begun_mid2: int = 0
    """The mid at the start of the round, half ticks."""
    pending: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Forecasts that are not yet due, by when they are: what was expected until then, and the mid at that time."""
    share_path: "array[float]" = field(default_factory=lambda: array("d"))
    """The agents' shares after every round, one round after the other."""

    @property
    def alpha(self) -> Alpha | None:
        """The forecast that agents read."""
        return None if self.outlook is None else self.outlook.alpha
