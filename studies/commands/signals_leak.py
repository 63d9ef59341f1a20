"""`tercel signals leak --data` looks at StockNet's prices and tweets too."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from tercel.cli import Leak

if TYPE_CHECKING:
    from tercel.signals.runs import SignalsConfig


@dataclass(frozen=True)
class LeakWithTweets(Leak):
    """What is asked of `tercel signals leak`, with StockNet among the data sets."""

    body: ClassVar[str] = "tercel.cli.signals:leak"

    def sets(self, data: Path) -> "list[SignalsConfig]":
        """Configurations of the data sets that a folder holds."""
        from tercel.signals.runs import PanelSection, SignalsConfig, SourceSection

        found, tweets = super().sets(data), data / "stocknet"
        if tweets.exists():
            words = SourceSection(kind="tweets", path=str(tweets), max_age_days=5)
            panel = PanelSection(kind="stocknet", path=str(tweets), last="2015-12-31")
            found.append(SignalsConfig(name="stocknet", panel=panel, source=(words,)))
        return found
