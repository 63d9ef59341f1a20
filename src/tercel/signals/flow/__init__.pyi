from tercel.signals.flow.days import STEP_NS as STEP_NS
from tercel.signals.flow.days import FlowDay as FlowDay
from tercel.signals.flow.scores import accuracy as accuracy
from tercel.signals.flow.days import flow_day as flow_day
from tercel.signals.flow.scores import mirrored_auc as mirrored_auc
from tercel.signals.flow.days import read_day as read_day

__all__ = [
    "STEP_NS",
    "FlowDay",
    "accuracy",
    "flow_day",
    "mirrored_auc",
    "read_day",
]
