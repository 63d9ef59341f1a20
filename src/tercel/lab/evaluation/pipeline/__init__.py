"""An evaluation: policies and rules on the same episodes, in one market or many, stored on disk."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
