from tercel.execution.foresight.forecaster import (
    ENOUGH as ENOUGH,
    FEATURES as FEATURES,
    HORIZONS as HORIZONS,
    NAMES as NAMES,
    ODD as ODD,
    Forecaster as Forecaster,
    heard as heard,
    load as load,
    save as save,
)

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
