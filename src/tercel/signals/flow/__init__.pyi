from tercel.signals.flow.days import (
    STEP_NS as STEP_NS,
    FlowDay as FlowDay,
    accuracy as accuracy,
    flow_day as flow_day,
    mirrored_auc as mirrored_auc,
    read_day as read_day,
)

__all__ = [
    "STEP_NS",
    "FlowDay",
    "accuracy",
    "flow_day",
    "mirrored_auc",
    "read_day",
]
