"""Tuned values of rules, a file a market, as `tercel agent tune` writes them."""

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError
from tercel.core.serialization import parse_json

FOLDER: Final = Path(__file__).parent


def tuned_markets() -> list[str]:
    """Presets with tuned values."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def tuned_parameters(market: str, strategy: str) -> dict[str, float]:
    """Values of a strategy's parameters in a market; none where the market is not known.

    >>> tuned_parameters("atlantis", "score_rule")
    {}
    """
    if market not in tuned_markets():
        return {}
    found: dict[str, float] = read_tuned(FOLDER / f"{market}.json").get(strategy, {})
    return dict(found)


@lru_cache(maxsize=32)
def read_tuned(path: Path) -> dict[str, dict[str, float]]:
    """Strategy -> its parameters, from a file of `tercel agent tune`.

    Raises
    ------
    ConfigError
        A file that is missing or none of these.
    """
    remedy = "write it again with tercel agent tune `out=FILE`"
    try:
        raw: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        found = {
            name: {key: float(value) for key, value in one["parameters"].items()}
            for name, one in raw["strategies"].items()
        }
    except OSError as error:
        raise ConfigError(
            "a file of tuned values", f"{path}: {error.strerror}", "check the path"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "a file of tuned values", f"{path}: {type(error).__name__} {error}", remedy
        ) from error
    return found
