"""Realism score of a simulated market against tape: statistics, distances, noise floors, gates, a classifier."""

from tercel.market.score.distance import distances, gates, mean14
from tercel.market.score.sample import Sample, clock_of, sample

__all__ = ["Sample", "clock_of", "distances", "gates", "mean14", "sample"]
