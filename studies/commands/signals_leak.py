"""`tercel signals leak --data` looks at reports of companies and at StockNet's prices and tweets too."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tercel.cli import Leak

if TYPE_CHECKING:
    from tercel.signals.runs import SignalsConfig


@dataclass(frozen=True)
class LeakWithTweets(Leak):
    """What is asked of `tercel signals leak`, with reports of companies and StockNet among the data sets."""

    body: ClassVar[str] = "tercel.cli.signals:leak"

    def sets(self, data: Path) -> "list[SignalsConfig]":
        """Configurations of the data sets that a folder holds."""
        from tercel.signals.runs import PanelSection, SignalsConfig, SourceSection

        reports = SourceSection.model_validate(
            {
                "kind": "fundamentals",
                "path": str(data / "us-fundamentals-pit-2015-2017"),
                "drop_impossible": True,
            }
        )
        found = [one.model_copy(update={"source": (reports,)}) for one in super().sets(data)]
        tweets = data / "stocknet"
        if tweets.exists():
            words = SourceSection(kind="tweets", path=str(tweets), max_age_days=5)
            panel = PanelSection(kind="stocknet", path=str(tweets), last="2015-12-31")
            found.append(SignalsConfig(name="stocknet", panel=panel, source=(words,)))
        return found
