"""A source whose facts are in memory already: what notebooks, tests and other programs hand over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from tercel.signals.sources.port import checked


@dataclass(frozen=True)
class FrameSource:
    """A source whose facts are already in memory."""

    name: str
    columns: tuple[str, ...]
    frame: pl.DataFrame
    where: str = "memory"
    collected: datetime | None = None

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.Source.facts`."""
        return checked(self.frame, self.columns, self.where, self.collected)
