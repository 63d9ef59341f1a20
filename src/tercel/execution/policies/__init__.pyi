from tercel.execution.policies.network import Head as Head
from tercel.execution.policies.network import MlpPolicy as MlpPolicy
from tercel.execution.policies.network import OnnxPolicy as OnnxPolicy
from tercel.execution.policies.network import from_onnx as from_onnx
from tercel.execution.policies.network import to_onnx as to_onnx
from tercel.execution.policies.policy import CARD as CARD_FILE
from tercel.execution.policies.policy import Card as Card
from tercel.execution.policies.policy import PolicyPort as PolicyPort
from tercel.execution.policies.policy import load_policy as load_policy
from tercel.execution.policies.policy import read_card as read_card
from tercel.execution.policies.policy import save_policy as save_policy
from tercel.execution.policies.strategy import PLACEBO as PLACEBO
from tercel.execution.policies.strategy import OnSchedule as OnSchedule
from tercel.execution.policies.strategy import PlaceboForecast as PlaceboForecast
from tercel.execution.policies.strategy import PolicyStrategy as PolicyStrategy
from tercel.execution.policies.strategy import hearing as hearing
from tercel.execution.policies.strategy import policy_strategy as policy_strategy

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
