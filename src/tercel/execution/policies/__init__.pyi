from tercel.execution.policies.network import (
    Head as Head,
    MlpPolicy as MlpPolicy,
    OnnxPolicy as OnnxPolicy,
    from_onnx as from_onnx,
    to_onnx as to_onnx,
)
from tercel.execution.policies.policy import (
    CARD as CARD_FILE,
    Card as Card,
    PolicyPort as PolicyPort,
    load_policy as load_policy,
    read_card as read_card,
    save_policy as save_policy,
)
from tercel.execution.policies.strategy import (
    PLACEBO as PLACEBO,
    OnSchedule as OnSchedule,
    PlaceboForecast as PlaceboForecast,
    PolicyStrategy as PolicyStrategy,
    hearing as hearing,
    policy_strategy as policy_strategy,
)

__all__ = [
    "CARD_FILE",
    "PLACEBO",
    "Card",
    "Head",
    "MlpPolicy",
    "OnSchedule",
    "OnnxPolicy",
    "PlaceboForecast",
    "PolicyPort",
    "PolicyStrategy",
    "from_onnx",
    "hearing",
    "load_policy",
    "policy_strategy",
    "read_card",
    "save_policy",
    "to_onnx",
]
