"""Configurations: an unknown key is named with its place and the nearest one, a wrong value with what it should be."""

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from tercel.core.errors import ConfigError
from tercel.core.validation import model_keys, validate_model


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


def test_what_is_right_is_read():
    assert (
        validate_model(Outer, {"task": {"horizon_s": 3}}, "a.toml", "a test").task.horizon_s == 3.0
    )


@pytest.mark.parametrize(
    ("raw", "expected", "received", "remedy"),
    [
        # before values that will not do: those may be named wrongly
        ({"others": [{}, {"horizn_s": 3}], "seed": "x"}, "keys that a test knows", "a.toml: others.1.horizn_s",
         "try 'horizon_s'"),
        ({"zzz": 1}, "keys that a test knows", "a.toml: zzz", "take it out"),
        ({"horizon_s": 3}, "keys that a test knows", "a.toml: horizon_s",
         "move it to the table task or to the table others or to the table by_name"),
        ({"horizn_s": 3}, "keys that a test knows", "a.toml: horizn_s", "try 'horizon_s' in the table task"),
        ({"task": {"horizn_s": 3}}, "keys that a test knows", "a.toml: task.horizn_s", "try 'horizon_s'"),
        ({"task": {"seed": 3}}, "keys that a test knows", "a.toml: task.seed", "move it above the first table"),
        ({"task": {"horizon_s": -2}}, "task.horizon_s: a horizon above 0 s", "a.toml: -2", ""),
        ({"task": "soon"}, "task: a table", "a.toml: 'soon'", ""),
        ([], "a table", "", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place_and_a_remedy(raw, expected, received, remedy):
    with pytest.raises(ConfigError) as told:
        validate_model(Outer, raw, "a.toml", "a test")
    assert told.value.expected == expected
    assert told.value.received == received or not received
    assert told.value.remedy == remedy or not remedy


def test_keys_are_those_of_all_models_within():
    tables = {table: name for table, name in model_keys(Outer) if table}
    assert tables == dict.fromkeys(("task", "others", "by_name"), "horizon_s")
    assert [name for table, name in model_keys(Outer) if not table] == [
        "task",
        "others",
        "by_name",
        "seed",
    ]
