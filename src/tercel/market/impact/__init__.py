"""Market impact: effect of own trades on prices beyond the lots they take."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
