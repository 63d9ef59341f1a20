"""Variants of a recipe: a TOML file that names each, says which idea it is about, and gives the keys that change.

    [one-interval]
    says = "One decision interval is seen, not four."
    set.policy.stack = 1

Everything that is not set is the recipe's. With `set.learner.algo` the other learner starts from its own defaults.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from studies.common.settings import overlaid
from tercel import TercelError
from tercel.core import ConfigError, Float32, check_known, expected_text, read_toml, suggest_name
from tercel.execution import observer
from tercel.execution.strategies import build
from tercel.lab.learning import Info, SameStepVectorEnv, action_space
from tercel.lab.learning.agent import AgentConfig, preset_file, read_config
from tercel.lab.learning.agent.learner import learner_settings, make_learner, with_algo
from tercel.lab.learning.agent.policy_parts import actions_of, rule_of
from tercel.market.flow import registry as presets
from tercel.market.impact import law_for
from tercel.market.regimes import parse_regimes

SHIPPED: Final = Path(__file__).parent / "variants.toml"
WHOLE: Final = "whole"
"""Name of the recipe itself."""
CHANGED: Final = ("market", "task", "policy", "learner", "reward", "validation")
"""Sections that a variant may set; it is judged in the recipe's market, at the recipe's task."""
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789-_."


class VariantText(BaseModel):
    """A variant as the file says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    says: str = Field(min_length=1)
    changes: dict[str, Any] = Field(default={}, alias="set")
    judge: Literal["last", "policy"] = "last"


VariantsFile = dict[str, VariantText]


@dataclass(frozen=True)
class Variant:
    """One variant.

    Parameters
    ----------
    name : str
    says : str
        Which idea is taken away or added, in a sentence.
    changes : mapping of dotted key to value
        Empty for the recipe itself.
    judge : {"last", "policy"}
        Which policy of its run folder is judged: that of the last look, or the best one by validation.
    config : AgentConfig
        The recipe with the changes.
    """

    name: str
    says: str
    changes: Mapping[str, Any]
    judge: str
    config: AgentConfig


def whole_recipe(recipe: AgentConfig) -> Variant:
    """The recipe itself."""
    return Variant(WHOLE, "The whole recipe.", {}, "last", _named(recipe, recipe, WHOLE))


def variants_of(recipe: AgentConfig, file: Path, only: Sequence[str] = ()) -> list[Variant]:
    """The variants of a recipe that a file names, in its order, each with a configuration that can be trained.

    Parameters
    ----------
    recipe : AgentConfig
    file : Path
    only : sequence of str
        Names of those that are wanted; none: all.

    Raises
    ------
    ConfigError
        With the variant, the key and the nearest known one.
    """
    values = read_toml(file, f"name one, such as {SHIPPED}")
    if not values:
        raise ConfigError(
            "variants: [NAME] with says = and set.SECTION.KEY =",
            f"none in {file}",
            f"see {SHIPPED}",
        )
    for name in only:
        check_known(name, values, f"variants of {file}:", f"`only={name}`", ConfigError)
    return [
        _variant(recipe, file, name, raw)
        for name, raw in values.items()
        if not only or name in only
    ]


def check_file(file: Path) -> None:
    """Refuse a file of variants that could not be tried on the shipped recipe."""
    variants_of(read_config(preset_file("one_market")), file)


def _variant(recipe: AgentConfig, file: Path, name: str, raw: Any) -> Variant:
    where = f"{file}: variant {name}"
    if not set(name) <= set(LETTERS) or name == WHOLE or not name[0].isalnum():
        sentence = f"names of variants in small letters, digits and -, other than {WHOLE!r} (the recipe itself)"
        raise ConfigError(sentence, where, "such as one-interval")
    try:
        values = VariantText.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        known = ["says", "set", "judge"]
        remedy = f"see {SHIPPED}" if key in known or not key else suggest_name(key, known)
        received = ": ".join(part for part in (where, key) if part)
        sentence = expected_text(first) if key else f"a table is wanted, not {raw!r}"
        raise ConfigError(
            'says = "..." and set.SECTION.KEY = value', f"{received}: {sentence}", remedy
        ) from None
    changes = dict(_dotted(values.changes))
    for key in changes:
        section, dot, rest = key.partition(".")
        if section not in CHANGED or not dot or not rest:
            sentence = f"keys of {', '.join(CHANGED)}, as in policy.stack"
            raise ConfigError(sentence, f"{where}: {key}", suggest_name(section, CHANGED))
    try:
        config = _named(recipe, changed(recipe, changes), name)
        check(config)
    except TercelError as error:
        raise ConfigError(error.expected, f"{where}: {error.received}", error.remedy) from None
    return Variant(name, values.says, changes, values.judge, config)


def _dotted(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Section and key, joined by a dot; what a key holds stays as it is."""
    for section, value in values.items():
        if isinstance(value, dict):
            for key, one in value.items():
                yield f"{section}.{key}", one
        else:
            yield section, value


def changed(recipe: AgentConfig, changes: Mapping[str, Any]) -> AgentConfig:
    """The recipe with other values; another learner starts from its own defaults.

    Raises
    ------
    ConfigError
        A key that there is not, or a value that it refuses.
    """
    changes = dict(changes)
    algo = changes.pop("learner.algo", recipe.learner.algo)
    return overlaid(with_algo(recipe, algo), changes)


def _named(recipe: AgentConfig, config: AgentConfig, name: str) -> AgentConfig:
    return config.model_copy(update={"name": f"{recipe.name}-{name}"})


def with_frames(recipe: AgentConfig, frames: int) -> AgentConfig:
    """The recipe trained on so many frames, looked at as many times."""
    every = recipe.validation.every
    if every:
        every = max(round(every * frames / recipe.learner.frames), 1)
    return overlaid(recipe, {"learner.frames": frames, "validation.every": every})


class _Blank(SameStepVectorEnv):
    """An environment of the sizes that a configuration's has, and nothing in it."""

    def __init__(self, config: AgentConfig) -> None:
        actions = actions_of(config)
        size = observer(config.policy.observation, config.policy.stack).size
        super().__init__(config.learner.markets, size, action_space(actions))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Zeros."""
        return np.zeros(self.observation_space.shape or (), np.float32), {}


def check(config: AgentConfig) -> None:
    """Refuse a configuration that would be refused once its training begins.

    Raises
    ------
    TercelError
        With the key or the value.
    """
    if not config.on_tape:
        for name in config.market.presets:
            preset = presets.load(name)
            law_for(preset, config.market.impact or None)
            for law in filter(None, config.market.laws):
                parse_regimes(law, preset)
        parts = len(config.market.presets) * len(config.market.laws)
        if config.learner.markets < parts:
            raise ConfigError(
                f"a slot for each of {parts} markets",
                f"{config.learner.markets}",
                "raise learner.markets",
            )
    rule_of(config)
    if config.reward.against not in ("", "base"):
        build(config.reward.against)
    learner_settings(config)
    make_learner(config, _Blank(config), 0)
