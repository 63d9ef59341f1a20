"""The file of a hawkes market."""

from typing import Literal

from tercel.market.flow.preset import Preset
from tercel.market.simulator import layout as sim


class HawkesPreset(Preset):
    """Parameters of one hawkes market."""

    model: Literal["hawkes"] = "hawkes"

    @property
    def code(self) -> int:
        """HAWKES."""
        return sim.HAWKES
