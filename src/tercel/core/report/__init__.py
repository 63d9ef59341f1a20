"""What people read: tables in the terminal, figures, and pages that open offline. One look for all of it.

Everything here takes plain arrays and dictionaries and knows nothing of markets, tasks or learners.
"""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
