"""Parts a desk is given beside its file: a venue, a news score, baselines of ordinary market behaviour."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tercel.core.ports import Venue
from tercel.signals.risk.anomaly import AnomalyBaseline


class NewsPort(Protocol):
    """Port of a news score."""

    def score(self, instrument: str, number: int, at_ns: int) -> float | None:
        """The score known as round `number` begins at venue time `at_ns`, of unit variance; None: no score."""


@dataclass(frozen=True)
class DeskDependencies:
    """A desk's venue, news source, anomaly baselines and gate.

    Parameters
    ----------
    venue : Venue
        Whoever makes it closes it.
    news : NewsPort, optional
        A model's feature `news`; without it the feature is missing.
    calm : mapping of instrument to AnomalyBaseline
        What is ordinary in its market, of a simulated one; of one that is not there the desk learns it
        (`rounds.baselines`).
    gate : Path, optional
        Folder of the journal of the gate before its venue, whose alerts are for the same people.
    """

    venue: Venue
    news: NewsPort | None = None
    calm: Mapping[str, AnomalyBaseline] = field(default_factory=dict)
    gate: Path | None = None


class DependencyFactory(Protocol):
    """Factory of the parts of a desk whose folder is locked; resources to close go onto the exit stack."""

    def __call__(self, folder: Path, latch: Path, opened: ExitStack) -> DeskDependencies:
        """Raise a `TercelError` for a venue that cannot be reached."""
