"""Order-flow models: their port, their calibration, and the presets that are shipped."""

from tercel.market.flow import preset
from tercel.market.flow.port import FlowModel, Preset
from tercel.market.flow.preset import DEFAULT, load, names

__all__ = ["DEFAULT", "FlowModel", "Preset", "load", "names", "preset"]
