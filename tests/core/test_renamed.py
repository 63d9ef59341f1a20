"""Former names: each leads to the new one, in code and in a file."""

import pytest
from pydantic import BaseModel

from tercel.core.errors import ConfigError
from tercel.core.renamed import RENAMED
from tercel.core.validation import validate_model


@pytest.mark.parametrize("package", RENAMED)
def test_a_former_name_is_refused_with_the_new_one(package: str) -> None:
    for former, name in RENAMED[package].items():
        with pytest.raises(ImportError, match=f"called {name!r} now"):
            exec(f"from tercel.{package} import {former}")
        exec(f"from tercel.{package} import {name}")


def test_a_former_key_is_refused_with_the_new_one() -> None:
    class Loop(BaseModel, extra="forbid"):
        expert_weights: int = 0

    class Desk(BaseModel, extra="forbid"):
        loop: Loop = Loop()

    with pytest.raises(ConfigError) as refused:
        validate_model(Desk, {"loop": {"hedge": 1}}, "desk.toml", "a desk")
    assert refused.value.remedy == "call it loop.expert_weights"
    assert "loop.hedge" in refused.value.received
