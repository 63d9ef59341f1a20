"""Why a policy does what it does: which features move its action and its cost, and what it did step by step.

Everything asks the policy alone, as a function from its observation to an intent: weights are never looked at, so a
written network, a tree in ONNX Runtime and a residual on a rule are explained by the same code.
"""

from tercel.evaluation.explain.dependence import Dependence, partial_dependence
from tercel.evaluation.explain.importance import Moved, away_from, moves_action, moves_cost
from tercel.evaluation.explain.seen import Explained, Seen, grouped, watch
from tercel.evaluation.explain.stories import EpisodeStep, Story, tell

__all__ = [
    "Dependence",
    "EpisodeStep",
    "Explained",
    "Moved",
    "Seen",
    "Story",
    "away_from",
    "grouped",
    "moves_action",
    "moves_cost",
    "partial_dependence",
    "tell",
    "watch",
]  # fmt: skip
