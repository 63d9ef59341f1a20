"""Tables for the terminal, figures, and pages that open offline, in one style.

All functions take plain arrays and dictionaries; none depends on markets, tasks or learners.
"""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
