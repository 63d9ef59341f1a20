"""Markets: tapes, books, flow models calibrated on them, and their realism."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
