"""Number of recipes tried before one was kept, by its configuration or by its sweep."""

from pathlib import Path

from tercel.core.errors import ConfigError
from tercel.lab.evaluation.variants import SWEEP, variants_in
from tercel.lab.learning.agent.config import AgentConfig


def variants_tried(config: AgentConfig) -> int:
    """Recipes tried before this one was kept, itself included: `guards.variants`, or more as `guards.sweep` has them.

    Raises
    ------
    ConfigError
        A sweep that is not there, and no number either.
    """
    section = config.guards
    if not section.sweep:
        return section.variants
    found = variants_in(Path(section.sweep))
    if found is None and section.variants == 1:
        remedy = "name its folder, or say guards.variants"
        raise ConfigError(
            "the folder of a sweep as guards.sweep", f"{section.sweep}, without {SWEEP}", remedy
        )
    return max(found or 1, section.variants)
