"""Execution of a parent order: tasks, observations, strategies, policies and their costs."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
