"""Former names: each leads to the new one, in code and in a file."""

import copy
import inspect
import pickle
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import tercel
from tercel.core.errors import ConfigError
from tercel.core.renamed import MEMBERS, RENAMED
from tercel.core.report.svg import Figure
from tercel.core.validation import validate_model
from tercel.execution.orders import Order
from tercel.market.flow.port import Preset
from tercel.market.flow.registry import load
from tercel.market.tape.lake import Lake

SOURCES = Path(tercel.__file__).parent


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


@cache
def decorated() -> dict[str, Any]:
    """Classes and functions that refuse former names, by the key of `MEMBERS`, from the sources that import the decorator."""
    modules = [
        import_module(".".join(("tercel", *path.relative_to(SOURCES).with_suffix("").parts)))
        for path in SOURCES.rglob("*.py")
        if "import refuse_former_names" in path.read_text("utf-8")
    ]
    found = dict[str, Any]()
    for key in MEMBERS:
        kind, _, method = key.partition(".")
        (home,) = (
            vars(module)[kind]
            for module in modules
            if getattr(vars(module).get(kind), "__module__", "") == module.__name__
        )
        found[key] = getattr(home, method) if method else home
    return found


def names_of(target: Any) -> set[str]:
    """Parameters of a function; of a class its fields and what it has beside them."""
    if not isinstance(target, type):
        return set(inspect.signature(target).parameters)
    return {*dir(target), *getattr(target, "__dataclass_fields__", ())}


@pytest.mark.parametrize("key", MEMBERS)
def test_a_former_member_is_refused_with_the_new_one(key: str) -> None:
    target, present = decorated()[key], names_of(decorated()[key])
    for former, name in MEMBERS[key].items():
        assert former not in present
        assert name in present
        if isinstance(target, type):
            with pytest.raises(AttributeError, match=rf"{former!r} of .* is called {name!r} now"):
                getattr(object.__new__(target), former)
        else:
            with pytest.raises(TypeError, match=f"{former!r} of {key!r} is called {name!r} now"):
                target(**{former: None})


def test_a_subclass_with_a_former_method_is_refused() -> None:
    with pytest.raises(TypeError, match=r"'packed' of .*Coin' is called 'pack_parameters' now"):

        class Coin(Preset):
            def packed(self) -> None: ...

    class Mixin:
        def packed(self) -> None: ...

    with pytest.raises(TypeError, match=r"'packed' of .*Mixed' is called 'pack_parameters' now"):

        class Mixed(Mixin, Preset): ...


def test_what_was_never_there_is_missing_as_ever(tmp_path: Path) -> None:
    preset = load("csco-santa-fe")
    for instance in (Order("10:30", "AMZN", "buy", 5, "1h"), Lake(tmp_path), preset):
        assert not hasattr(instance, "nothing")
        with pytest.raises(AttributeError, match=r"object has no attribute 'nothing'$"):
            instance.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert copy.deepcopy(preset) == pickle.loads(pickle.dumps(preset)) == preset
    assert Figure("figure", "<svg/>", "nothing").save(tmp_path).name == "figure.svg"
