"""Order-flow models: their port, their calibration, and the presets that are shipped."""

from tercel.market.flow import registry
from tercel.market.flow.port import FlowModel, Preset
from tercel.market.flow.registry import DEFAULT, load, names

__all__ = ["DEFAULT", "FlowModel", "Preset", "load", "names", "registry"]
