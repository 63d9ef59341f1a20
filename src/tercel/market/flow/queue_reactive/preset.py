"""The file of a queue-reactive market."""

from typing import Literal

from tercel.market.flow.preset import Preset
from tercel.market.simulator import layout as sim


class QueueReactivePreset(Preset):
    """Parameters of one queue-reactive market."""

    model: Literal["queue_reactive"] = "queue_reactive"

    @property
    def code(self) -> int:
        """QUEUE_REACTIVE."""
        return sim.QUEUE_REACTIVE
