"""The journal: an append-only record of input, decisions, commands and reports."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
