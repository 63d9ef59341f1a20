"""Risk: anomaly scores of a market's state, and the posture that follows."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
