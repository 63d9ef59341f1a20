"""Fits of an agent to a user's own days: blocks of days, costs on days that a fit has not seen, and what they show."""

from tercel.core.lazy import attach

__getattr__, __dir__ = attach(__name__)
