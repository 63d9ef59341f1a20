"""The map of old keys to new ones, `keys.toml`: what was renamed since a record was written."""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from guards.figures import Leaf, Leaves
from tercel.core.errors import ConfigError

STAR = re.compile(r"\*+")


@dataclass(frozen=True)
class Rule:
    """A key, or a pattern of keys, and what it is called now.

    `*` stands for any letters but "/", `**` for any; the new key has as many, in the same order.
    """

    old: str
    new: str

    def __post_init__(self) -> None:
        """Refuse stars that do not pair."""
        if STAR.findall(self.old) != STAR.findall(self.new):
            came = f'"{self.old}" = "{self.new}"'
            raise ConfigError(
                "the same stars on both sides of a rule",
                came,
                "write each * of the old key in the new",
            )

    def renamed(self, key: str) -> str | None:
        """The new name of a key, None where the rule does not speak of it.

        >>> Rule("judged/*/costs.walk", "judged/*/costs.slippage").renamed("judged/pov/costs.walk")
        'judged/pov/costs.slippage'
        """
        parts = STAR.split(self.old)
        stars = ["(.*)" if star == "**" else "([^/]*)" for star in STAR.findall(self.old)]
        pattern = "".join(
            re.escape(part) + star for part, star in zip(parts, [*stars, ""], strict=True)
        )
        if (found := re.fullmatch(pattern, key)) is None:
            return None
        each = iter(found.groups())
        return STAR.sub(lambda _: next(each), self.new)


@dataclass(frozen=True)
class KeyMap:
    """Rules of every guard, in their order, and words that are called otherwise in every text.

    Each rule is asked about what those before it made of a key.
    """

    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    def of(self, guard: str) -> tuple[Rule, ...]:
        """The rules of a guard."""
        return self.rules.get(guard, ())

    def renamed(self, guard: str, recorded: Leaves) -> tuple[dict[str, str], set[Rule]]:
        """New key to recorded key, and the rules that speak of none.

        Raises
        ------
        ConfigError
            Two keys would become one.
        """
        idle, new = set(self.of(guard)), dict[str, str]()
        for key in recorded:
            name = key
            for rule in self.of(guard):
                if (found := rule.renamed(name)) is not None:
                    name = found
                    idle.discard(rule)
            if name in new:
                came = f"{key} and {new[name]}, both to {name}"
                raise ConfigError(
                    f"a key of its own for every key of {guard}", came, "change keys.toml"
                )
            new[name] = key
        return new, idle

    def read(self, leaf: Leaf) -> Leaf:
        """A recorded value, its words as they are called now."""
        if isinstance(leaf, list):
            return [self.read(one) for one in leaf]
        if not isinstance(leaf, str):
            return leaf
        for old, new in self.words.items():
            leaf = re.sub(rf"(?<![\w.]){re.escape(old)}(?!\w)", new.replace("\\", r"\\"), leaf)
        return leaf


def read_keys(path: Path, guards: Collection[str]) -> KeyMap:
    """The map in a file.

    Raises
    ------
    ConfigError
        What is no map, or names a guard that there is not.
    """
    remedy = "its first lines show how it is written"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError("a map of keys in TOML", f"{path}: {error}", remedy) from error
    tables = found.get("keys", {})
    if unknown := [*(set(found) - {"keys", "words"}), *(set(tables) - set(guards))]:
        known = ", ".join(guards)
        raise ConfigError(
            f"tables [words] and [keys.GUARD] of {known}", f"{path}: {unknown[0]}", remedy
        )
    rules = {
        guard: tuple(Rule(old, new) for old, new in table.items())
        for guard, table in tables.items()
    }
    return KeyMap(rules, found.get("words", {}))
