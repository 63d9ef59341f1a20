"""Training of an agent: configuration, markets, environment, learner, run folder and report."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
