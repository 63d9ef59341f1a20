"""Evaluation: tasks, paired episodes, and the judged table."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
