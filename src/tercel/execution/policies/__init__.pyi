from tercel.execution.policies.mlp import Head as Head
from tercel.execution.policies.mlp import MlpPolicy as MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy as OnnxPolicy
from tercel.execution.policies.onnx_policy import from_onnx as from_onnx
from tercel.execution.policies.onnx_policy import to_onnx as to_onnx
from tercel.execution.policies.folder import CARD as CARD_FILE
from tercel.execution.policies.card import Card as Card
from tercel.execution.policies.folder import PolicyPort as PolicyPort
from tercel.execution.policies.folder import load_policy as load_policy
from tercel.execution.policies.card import read_card as read_card
from tercel.execution.policies.folder import save_policy as save_policy
from tercel.execution.policies.parts import PLACEBO as PLACEBO
from tercel.execution.policies.parts import OnSchedule as OnSchedule
from tercel.execution.policies.parts import PlaceboForecast as PlaceboForecast
from tercel.execution.policies.strategy import PolicyStrategy as PolicyStrategy
from tercel.execution.policies.parts import with_forecaster as with_forecaster
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
    "load_policy",
    "policy_strategy",
    "read_card",
    "save_policy",
    "to_onnx",
    "with_forecaster",
]
