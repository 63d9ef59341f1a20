"""Tercel: an open machine-learning trading system, from tick data to an execution agent that is judged.

    import tercel as tc

    market = tc.load_market("csco")
    task = tc.Task(share=0.10, horizon="30min")
    agent = tc.train(market, task, frames=500_000)
    result = tc.evaluate([agent, "default", "twap_take"], market, task, seed=7)

Importing this package is cheap: no Numba, Polars or Torch is loaded until a name that needs it is used (PEP 562).
"""

import sys
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Public name -> its module, with the name in it where that is another.
_HOMES = {
    "Comparison": "tercel.api.result",
    "Desk": "tercel.api.desk",
    "Episode": "tercel.api.episode",
    "Fees": "tercel.market.simulator.terms",
    "Intent": "tercel.execution.intent",
    "Lake": "tercel.market.tape",
    "Latency": "tercel.execution.task",
    "Market": "tercel.api.market",
    "Order": "tercel.lab.evaluation.orders",
    "Policy": "tercel.api.policy",
    "Result": "tercel.api.result",
    "Step": "tercel.lab.learning.rewards",
    "Strategy": "tercel.execution.user_strategy:OwnStrategy",
    "Task": "tercel.execution.task",
    "TercelError": "tercel.core.errors",
    "Tuned": "tercel.api.learn",
    "View": "tercel.execution.view",
    "calibrate": "tercel.api.market",
    "evaluate": "tercel.api.judged",
    "explain": "tercel.api.learn",
    "load_market": "tercel.api.market",
    "load_policy": "tercel.api.policy",
    "model_strategy": "tercel.execution.policies.strategy",
    "own_costs": "tercel.api.tca.report",
    "read_orders": "tercel.lab.evaluation.order_files",
    "replay": "tercel.api.market",
    "save_policy": "tercel.api.policy",
    "sb3_env": "tercel.api.environment",
    "strategy": "tercel.execution.user_strategy",
    "train": "tercel.api.learn",
    "tune": "tercel.api.learn",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604 - names of a table


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tercel' has no attribute {name!r}")
    module, _, inside = _HOMES[name].partition(":")
    found = getattr(import_module(module), inside or name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


if (
    "gymnasium" in sys.modules
):  # it makes "tercel:tercel/Execution-v1"; to load it here would make this import slow
    import_module("tercel.api.envs")
