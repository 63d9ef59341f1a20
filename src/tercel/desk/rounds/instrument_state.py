"""What a desk knows of one instrument: its program, market, sizes, shares, forecast and posture."""

from array import array
from dataclasses import dataclass, field

from tercel.core.messages import Alpha, Posture
from tercel.desk.rounds.allocation import FlowShares
from tercel.desk.rounds.flow_shortfall import FlowShortfall
from tercel.desk.rounds.forecasts import Outlook
from tercel.desk.rounds.monitor import MarketMonitor
from tercel.desk.rounds.sizing import Sizing
from tercel.signals.risk.posture import PosturePolicy, RiskState


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

    def moved_bps(self, mid2: int) -> float:
        """Move of the mid since the round began; 0 where it had none."""
        return 1e4 * (mid2 / self.begun_mid2 - 1.0) if self.begun_mid2 else 0.0

    def foresee(self, minutes: int, span: float) -> float:
        """Move of the mid that the public's flow makes expect in the next `span` minutes; the shares are told."""
        move = self.monitor.lean.ahead_bps(minutes, span)
        self.weights.ahead_bps = self.flow.side * move
        return move

    def risk(self, minutes: int, span: float) -> RiskState | None:
        """What risk measures now, with the move that flow makes expect against the orders in so many minutes."""
        state = self.monitor.risk
        if state is None:
            return None
        against = self.flow.side * self.monitor.lean.ahead_bps(minutes, span)
        return state._replace(run=max(against, 0.0) / self.monitor.half_spread_bps)
