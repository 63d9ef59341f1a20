"""Tercel: an open machine-learning trading system, from tick data to an execution agent that is judged.

    import tercel as tc

    market = tc.load_market("goog")
    task = tc.Task(share=0.10, horizon="30min")
    agent = tc.train(market, task, frames=500_000)
    result = tc.evaluate([agent, "default", "twap_take"], market, task, seed=7)

Importing this package is cheap: no Numba, Polars or Torch is loaded until a name that needs it is used (PEP 562).
"""

import sys
from importlib import import_module

from tercel.core.lazy import attach

__version__ = "0.1.0"

__getattr__, __dir__ = attach(__name__)

if (
    "gymnasium" in sys.modules
):  # it makes "tercel:tercel/Execution-v1"; to load it here would make this import slow
    import_module("tercel.api.envs")
