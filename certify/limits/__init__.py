"""The limits a second time, written another way; a stress test that holds the gate to them; the kit of an own limit."""

from certify.limits.kit import LimitConformance
from certify.limits.stress import PLANTS, StressTest

__all__ = ["PLANTS", "LimitConformance", "StressTest"]
