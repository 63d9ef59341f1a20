"""``tercel data import csv``: tick files by a column map."""

from dataclasses import dataclass
from pathlib import Path

from tercel.app.commands.data import import_feed
from tercel.app.output import print_json, result_console
from tercel.core.errors import ConfigError
from tercel.market.feeds.csv_feed import CsvFeed
from tercel.market.feeds.csv_map import map_text, parse_map, shipped
from tercel.market.feeds.port import FeedOptions
from tercel.market.tape import Lake


@dataclass(frozen=True)
class Asked:
    """What was typed."""

    paths: list[Path]
    map: str
    lake: Path | None
    symbol: str | None
    date: str | None
    tick: float | None
    replace: bool
    as_json: bool


def run(asked: Asked, show_map: bool) -> None:
    """Import, or print the map."""
    if not asked.map:
        raise ConfigError("a map", "none", f"add --map NAME ({', '.join(shipped())}) or --map FILE.toml")
    if show_map:
        text = map_text(asked.map)
        parse_map(text, asked.map)
        if asked.as_json:
            print_json({"map": asked.map, "toml": text})
        else:
            result_console().print(text, markup=False, highlight=False, soft_wrap=True)
        return
    if asked.lake is None or not asked.paths:
        missing = "--lake DIR" if asked.lake is None else "PATHS"
        raise ConfigError("files to import and a lake to put them in", f"no {missing}", f"add {missing}")
    feed, options = CsvFeed(asked.map), FeedOptions(asked.symbol, asked.date, asked.tick)
    import_feed(feed, asked.paths, Lake(asked.lake), options, asked.replace, asked.as_json)
