"""The kind of source `tweets`: StockNet's tone, by counts of words or by the sentiment head."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import polars as pl

from studies.tweets.stocknet import Cutoff, TweetTone, read_stocknet
from tercel.signals import word_score


@dataclass(frozen=True)
class Tweets:
    """Tone of tweets, read from the archive when facts are asked for.

    Parameters
    ----------
    path : Path
        The set: its `.tar.zst`, or a folder that holds or is it.
    cutoff, collected, name
        As :class:`studies.tweets.stocknet.TweetTone`.
    phrasebank : str, optional
        Folder of the Financial PhraseBank, from which the sentiment head learns; without it words are counted.
    embed : bool
        Whether the head reads sentence embeddings too, where the extra [text] is installed.
    """

    path: Path
    cutoff: Cutoff = "open"
    phrasebank: str | None = None
    embed: bool = False
    collected: datetime | None = None
    name: str = "tweets"
    paths: ClassVar[tuple[str, ...]] = ("phrasebank",)
    """Options that are paths, for a configuration to take from its own folder."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the value columns."""
        return TweetTone.columns

    @cached_property
    def _tone(self) -> TweetTone:
        score = word_score
        if self.phrasebank is not None:
            from studies.tweets.sentiment import SentimentHead, embedder, read_phrasebank

            labelled = read_phrasebank(Path(self.phrasebank))
            score = (
                SentimentHead(embedder() if self.embed else None)
                .fit(labelled.texts, labelled.labels)
                .tone
            )
        return TweetTone(read_stocknet(self.path), score, self.cutoff, self.collected, self.name)

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        return self._tone.facts()
