"""Tuned parameters of strategies by market, read from files that `tercel agent tune` writes; those packaged, or any file."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import ConfigError

FOLDER: Final = Path(__file__).parent / "tuned"


def tuned_markets() -> list[str]:
    """Names of the markets with tuned parameters."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def tuned_parameters(market: str, strategy: str) -> dict[str, float]:
    """Tuned parameters of a strategy in a market, by name; empty if market or strategy has none.

    >>> tuned_parameters("atlantis", "score_rule")
    {}
    """
    if market not in tuned_markets():
        return {}
    tuned: dict[str, float] = read_tuned(FOLDER / f"{market}.json").get(strategy, {})
    return dict(tuned)


@lru_cache(maxsize=32)
def read_tuned(path: Path) -> dict[str, dict[str, float]]:
    """Parameters by strategy, read from a file of `tercel agent tune`; ConfigError if it cannot be read.

    Raises
    ------
    ConfigError
        A file that is missing or none of these.
    """
    remedy = "write it again with tercel agent tune `out=FILE`"
    try:
        raw: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        tuned = {
            name: {key: float(value) for key, value in entry["parameters"].items()}
            for name, entry in raw["strategies"].items()
        }
    except OSError as error:
        raise ConfigError(
            "a file of tuned values", f"{path}: {error.strerror}", "check the path"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "a file of tuned values", f"{path}: {type(error).__name__} {error}", remedy
        ) from error
    return tuned
