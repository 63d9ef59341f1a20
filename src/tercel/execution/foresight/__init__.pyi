from tercel.execution.foresight.forecaster import ENOUGH as ENOUGH
from tercel.execution.foresight.flow_features import FEATURES as FEATURES
from tercel.execution.foresight.forecast_kernels import HORIZONS as HORIZONS
from tercel.execution.foresight.flow_features import NAMES as NAMES
from tercel.execution.foresight.flow_features import ODD as ODD
from tercel.execution.foresight.forecaster import Forecaster as Forecaster
from tercel.execution.foresight.forecaster import readable_forecaster as readable_forecaster
from tercel.execution.foresight.forecaster import load as load
from tercel.execution.foresight.forecaster import save as save

__all__ = [
    "ENOUGH",
    "FEATURES",
    "HORIZONS",
    "NAMES",
    "ODD",
    "Forecaster",
    "load",
    "readable_forecaster",
    "save",
]
