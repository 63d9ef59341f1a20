"""Satellite scenes as a source: a manifest dates each picture, its measures are what is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from studies.sources.scene_measures import activity, bright_spots, read_scene
from tercel.core.errors import DataError
from tercel.signals.sources.altdata import read_table, utc
from tercel.signals.sources.port import ROW, checked


@dataclass(frozen=True)
class Scenes:
    """Satellite scenes listed in a manifest CSV: `file`, `instrument`, `taken`, `published` (ISO times, UTC).

    A scene without both times is refused: its picture may be of any day.
    """

    manifest: Path
    collected: datetime | None = None
    name: str = "scenes"
    columns: tuple[str, ...] = ("activity", "bright_spots")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.Source.facts`."""
        frame = read_table(self.manifest, ("file", "instrument", "taken", "published"))
        measured = []
        for row in frame.iter_rows(named=True):
            if not row["taken"] or not row["published"]:
                received = f"{row['file']} without one in {self.manifest}, row {row[ROW]}"
                raise DataError(
                    "the times at which a scene was taken and published", received, "date the scene or leave it out"
                )
            scene = read_scene(self.manifest.parent / str(row["file"]))
            measured.append((activity(scene), bright_spots(scene)))
        timed = frame.with_columns(
            pl.Series(name, [values[at] for values in measured], pl.Float64) for at, name in enumerate(self.columns)
        ).with_columns(event_time=utc(pl.col("taken")), known_time=utc(pl.col("published")))
        return checked(timed, self.columns, str(self.manifest), self.collected)
