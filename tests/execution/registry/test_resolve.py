from pathlib import Path

import pytest
from tests.execution.registry.helper import small_policy

from tercel.core.errors import ConfigError, PolicyError, UnknownNameError
from tercel.execution.policies_packaged import folder_of
from tercel.execution.registry import open_registry, pinned, resolve_policy


@pytest.fixture(autouse=True)
def _registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERCEL_REGISTRY", str(tmp_path / "registry"))


def test_folders_runs_and_packaged_names(tmp_path: Path) -> None:
    folder = small_policy(tmp_path / "run" / "policy")
    for text in (str(folder), str(tmp_path / "run"), f"policy:{folder}"):
        assert resolve_policy(text) == folder
    for text in ("default-1", "packaged:default-1"):
        assert resolve_policy(text) == folder_of("default-1")
    assert (resolve_policy("default") / "card.json").is_file()


def test_registered_names(tmp_path: Path) -> None:
    registry = open_registry()
    for seed in range(3):
        registry.register(small_policy(tmp_path / f"p{seed}", seed), "csco")
    registry.promote("csco", "2", "champion", why="x")
    assert (
        resolve_policy("csco@3")
        == resolve_policy("csco@latest")
        == tmp_path / "registry" / "csco" / "3"
    )
    assert (
        resolve_policy("csco@champion")
        == resolve_policy("policy:csco@2")
        == tmp_path / "registry" / "csco" / "2"
    )
    assert resolve_policy("csco@1", registry.where).name == "1"
    assert (pinned("policy:csco@champion"), pinned("csco@latest")) == ("policy:csco@2", "csco@3")
    assert [pinned(text) for text in ("twap_take", "csco@1", "packaged:default")] == [
        "twap_take",
        "csco@1",
        "packaged:default",
    ]


def test_what_is_not_there(tmp_path: Path) -> None:
    small_policy(tmp_path / "runs" / "ppo-1")
    with pytest.raises(PolicyError, match="ppo-1"):  # the folder above: say where the policies lie
        resolve_policy(str(tmp_path / "runs"))
    with pytest.raises(PolicyError, match="no such folder"):
        resolve_policy(str(tmp_path / "nowhere"))
    open_registry().register(tmp_path / "runs" / "ppo-1", "csco")
    with pytest.raises(UnknownNameError, match=r"try 'csco'"):
        resolve_policy("cscoo@1")
    with pytest.raises(PolicyError, match=r"csco@1"):
        resolve_policy("csco@champion")
    for typed, meant in (
        ("defaul", "default"),
        ("default-al", "default-all"),
        ("default-9", "default-1"),
    ):
        with pytest.raises(UnknownNameError, match=f"try '{meant}'"):
            resolve_policy(typed)
    with pytest.raises(UnknownNameError) as told:
        resolve_policy("banana")
    assert told.value.remedy == "`tercel agent list` shows what there is"
    with pytest.raises(UnknownNameError, match="try 'default'"):
        resolve_policy("packaged:defaul")


def test_a_registry_of_another_distribution_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tercel.core.extras.entry_points", lambda **_: ())
    with pytest.raises(ConfigError, match=r"pip install 'tercel-studies\[mlflow\]'"):
        open_registry("mlflow+http://127.0.0.1:5000")
