"""Models: families, their fusion, walk-forward fits, online learning, and how their skill is measured."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
