"""A CSV map from its text."""

from tercel.core.toml import parse_toml
from tercel.core.validation import validate_model
from tercel.feeds.csv_map import CsvMap


def parse_map(text: str) -> CsvMap:
    """The map; ConfigError where it is invalid."""
    return validate_model(
        CsvMap, parse_toml(text, "the map", "correct the line", "a map"), "the map", "a map"
    )
