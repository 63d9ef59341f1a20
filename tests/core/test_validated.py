"""Configurations: an unknown key is named with its place and the nearest one, a wrong value with what it should be."""

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from tercel.core.errors import ConfigError
from tercel.core.toml import keys_of, validated


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    horizon_s: float = 60.0

    @field_validator("horizon_s")
    @classmethod
    def _above(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("a horizon above 0 s")
        return value


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    task: Inner = Inner()
    others: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] | None = None
    seed: int = 1


def refused(**raw):
    with pytest.raises(ConfigError) as told:
        validated(Outer, raw, "a.toml", "a test")
    return told.value


def test_what_is_right_is_read():
    assert validated(Outer, {"task": {"horizon_s": 3}}, "a.toml", "a test").task.horizon_s == 3.0


def test_an_unknown_key_is_named_with_its_place_and_the_nearest():
    error = refused(others=[{}, {"horizn_s": 3}], seed="x")
    assert error.expected == "keys that a test knows"
    assert error.received == "a.toml: others.1.horizn_s", (
        "before values that will not do: those may be named wrongly"
    )
    assert error.remedy == "try 'horizon_s'"
    assert refused(zzz=1).remedy == "take it out"


def test_a_key_of_another_table_is_sent_there_and_never_offered_itself():
    assert (
        refused(horizon_s=3).remedy
        == "move it to the table task or to the table others or to the table by_name"
    )
    assert refused(horizn_s=3).remedy == "try 'horizon_s' in the table task"
    assert refused(task={"horizn_s": 3}).remedy == "try 'horizon_s'"
    assert refused(task={"seed": 3}).remedy == "move it above the first table"


def test_a_value_that_will_not_do_is_shown_with_what_was_expected():
    error = refused(task={"horizon_s": -2})
    assert error.expected == "task.horizon_s: a horizon above 0 s"
    assert error.received == "a.toml: -2"


def test_a_value_in_the_place_of_a_section_is_told_without_names_of_classes():
    error = refused(task="soon")
    assert (error.expected, error.received) == ("task: a table", "a.toml: 'soon'")
    with pytest.raises(ConfigError) as told:
        validated(Outer, [], "a.toml", "a test")
    assert told.value.expected == "a table"


def test_keys_are_those_of_all_models_within():
    tables = {table: name for table, name in keys_of(Outer) if table}
    assert tables == dict.fromkeys(("task", "others", "by_name"), "horizon_s")
    assert [name for table, name in keys_of(Outer) if not table] == [
        "task",
        "others",
        "by_name",
        "seed",
    ]
