"""`tercel signals leak --data` looks at reports of companies too."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tercel.cli import Leak

if TYPE_CHECKING:
    from tercel.signals.runs import SignalsConfig


@dataclass(frozen=True)
class LeakWithReports(Leak):
    """What is asked of `tercel signals leak`, with reports of companies among the data sets."""

    body: ClassVar[str] = "tercel.cli.signals:leak"

    def sets(self, data: Path) -> "list[SignalsConfig]":
        """Configurations of the data sets that a folder holds."""
        from tercel.signals.runs import SourceSection

        reports = SourceSection.model_validate(
            {
                "kind": "fundamentals",
                "path": str(data / "us-fundamentals-pit-2015-2017"),
                "drop_impossible": True,
            }
        )
        return [one.model_copy(update={"source": (reports,)}) for one in super().sets(data)]
