"""Order-flow models: their port, their calibration, and the presets that are shipped."""

from tercel.market.flow.preset import DEFAULT, Preset, load, names

__all__ = ["DEFAULT", "Preset", "load", "names"]
