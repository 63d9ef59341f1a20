"""Explanations of a policy: features that move its action and its cost, and episodes step by step.

Everything asks the policy alone, as a function from its observation to an intent: weights are never looked at, so a
written network, a tree in ONNX Runtime and a residual on a rule are explained by the same code.
"""

from studies.explain.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
