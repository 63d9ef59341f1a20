"""The simulator: sources of market worlds, tapes among them, stepped by kernels."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
