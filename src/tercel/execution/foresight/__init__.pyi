from tercel.execution.foresight.forecaster import ENOUGH as ENOUGH
from tercel.execution.foresight.forecaster import FEATURES as FEATURES
from tercel.execution.foresight.forecaster import HORIZONS as HORIZONS
from tercel.execution.foresight.forecaster import NAMES as NAMES
from tercel.execution.foresight.forecaster import ODD as ODD
from tercel.execution.foresight.forecaster import Forecaster as Forecaster
from tercel.execution.foresight.forecaster import heard as heard
from tercel.execution.foresight.forecaster import load as load
from tercel.execution.foresight.forecaster import save as save

__all__ = [
    "ENOUGH",
    "FEATURES",
    "HORIZONS",
    "NAMES",
    "ODD",
    "Forecaster",
    "heard",
    "load",
    "save",
]
