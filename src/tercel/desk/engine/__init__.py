"""Trading rounds of a desk: signals, posture, sizing, agents and cost feedback in one loop."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
