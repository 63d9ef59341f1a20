"""Evaluation of policies and rules on the same episodes of one market or many: jobs on disk, results, tables, page."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
