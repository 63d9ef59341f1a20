from tercel.signals.flow.days import STEP_NS as STEP_NS
from tercel.signals.flow.days import FlowDay as FlowDay
from tercel.signals.flow.days import read_day as read_day

__all__ = [
    "STEP_NS",
    "FlowDay",
    "read_day",
]
