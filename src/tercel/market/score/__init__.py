"""Realism score of a simulated market against tape: statistics, distances, noise floors, gates, a classifier."""

from tercel.market.score.distance import mean14
from tercel.market.score.sample import Sample, acf, clock_of, minute_volume, returns, sample

__all__ = [
    "Sample",
    "acf",
    "clock_of",
    "mean14",
    "minute_volume",
    "returns",
    "sample",
]
