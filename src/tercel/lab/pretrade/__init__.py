"""Cost of an order before it trades: like orders on recorded days, what they say of the next day, and a closed form."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
