"""Flow models that are compared with the package's: Hawkes processes, and the market of Cheridito & Weiss (2025)."""

from pathlib import Path
from typing import Final

from studies.flows.cheridito_weiss.preset import CheriditoWeissPreset
from studies.flows.hawkes.preset import HawkesPreset
from tercel.market.flow import FlowModel

__all__ = ["CHERIDITO_WEISS", "FOLDER", "HAWKES", "CheriditoWeissPreset", "HawkesPreset"]

FOLDER: Final = Path(__file__).parent / "presets"
HAWKES: Final = FlowModel(
    HawkesPreset,
    event="studies.flows.hawkes.kernel:hawkes_event",
    calibrate="studies.flows.hawkes.calibrate:calibrate",
    presets=FOLDER,
)
CHERIDITO_WEISS: Final = FlowModel(
    CheriditoWeissPreset,
    event="studies.flows.cheridito_weiss.kernel:cheridito_weiss_event",
    presets=FOLDER,
)
