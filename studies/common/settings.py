"""Settings laid over those of a training."""

from collections.abc import Mapping
from typing import Any

from tercel.lab.learning.agent import AgentConfig
from tercel.lab.learning.agent.config import parse


def overlaid(config: AgentConfig, values: Mapping[str, Any]) -> AgentConfig:
    """The configuration with these values, by dotted keys.

    Raises
    ------
    ConfigError
        A key that there is not, or a value that it refuses.
    """
    raw = config.model_dump(mode="json", exclude_unset=True)
    for key, value in values.items():
        section, _, name = key.partition(".")
        _put(raw.setdefault(section, {}), name, value)
    return parse(raw, f"{config.name} with {values}")


def _put(table: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted name in nested tables."""
    first, dot, rest = name.partition(".")
    if dot:
        _put(table.setdefault(first, {}), rest, value)
    else:
        table[first] = value
