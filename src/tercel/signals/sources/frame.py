"""A source whose facts are in memory already: what notebooks, tests and other programs hand over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tercel.signals.sources.port import checked

if TYPE_CHECKING:
    import polars as pl


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
