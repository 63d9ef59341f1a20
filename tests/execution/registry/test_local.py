import json
import multiprocessing
from pathlib import Path

import pytest
from tests.execution.registry.helper import small_policy

from tercel.core.errors import ConfigError, PolicyError, UnknownNameError
from tercel.execution.policies_packaged import folder_of
from tercel.execution.registry import open_registry, pin_version, resolve_policy
from tercel.execution.registry.local_registry import INDEX, LocalRegistry


@pytest.fixture
def policies(tmp_path: Path) -> list[Path]:
    return [small_policy(tmp_path / f"p{seed}", seed) for seed in range(3)]


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    return LocalRegistry(tmp_path / "registry")


def test_versions_count_up_and_keep_their_bytes(
    registry: LocalRegistry, policies: list[Path]
) -> None:
    versions = [
        registry.register(folder, "csco", note=f"n{i}", timestamp="t", by="b")
        for i, folder in enumerate(policies)
    ]
    assert [version.label for version in versions] == ["csco@1", "csco@2", "csco@3"]
    for version, folder in zip(versions, policies, strict=True):
        kept = registry.folder(version)
        assert {p.name: p.read_bytes() for p in kept.iterdir()} == {
            p.name: p.read_bytes() for p in folder.iterdir()
        }
    assert registry.entry("csco").versions == tuple(versions)
    assert [entry.name for entry in LocalRegistry(registry.root).entries()] == ["csco"]


def test_the_same_policy_again_is_the_version_it_has(
    registry: LocalRegistry, policies: list[Path]
) -> None:
    first = registry.register(policies[0], "csco")
    registry.register(policies[1], "csco")
    assert registry.register(policies[0], "csco") == first
    assert registry.register(policies[0], "other").number == 1


def test_aliases_move_and_tell_where_from(registry: LocalRegistry, policies: list[Path]) -> None:
    for folder in policies:
        registry.register(folder, "csco")
    assert registry.entry("csco").find("").number == 3  # no champion: the latest
    assert registry.promote("csco", "1", "champion", reason="first").before == 0
    made = registry.promote("csco", "3", "champion", reason="better", timestamp="now", by="me")
    assert (made.number, made.before, made.why) == (3, 1, "better")
    registry.promote("csco", "2", "challenger", reason="try")
    entry = registry.entry("csco")
    assert dict(entry.aliases) == {"challenger": 2, "champion": 3}
    assert [p.why for p in entry.promotions] == ["first", "better", "try"]
    assert entry.find("champion").number == entry.find("").number == 3


@pytest.mark.parametrize("which", ["4", "0", "challenger", "latest2", "-1", "1.0"])
def test_what_is_not_there_is_refused_with_what_is(
    registry: LocalRegistry, policies: list[Path], which: str
) -> None:
    registry.register(policies[0], "csco")
    with pytest.raises(PolicyError, match=r"csco@1"):
        registry.promote("csco", which, "champion", reason="x")


def test_reading_makes_nothing(registry: LocalRegistry) -> None:
    assert registry.entries() == []
    with pytest.raises(PolicyError, match="none is registered"):
        registry.promote("csco", "1", "champion", reason="x")
    assert not registry.root.exists()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a@1", "x" * 65])
def test_names_that_are_no_folder_names(
    registry: LocalRegistry, policies: list[Path], name: str
) -> None:
    with pytest.raises(ConfigError, match="a name of letters"):
        registry.register(policies[0], name)


def test_damage_is_said(registry: LocalRegistry, policies: list[Path]) -> None:
    version = registry.register(policies[0], "csco")
    kept = registry.folder(version)
    for path in policies[1].iterdir():  # a whole policy, but another one
        (kept / path.name).write_bytes(path.read_bytes())
    with pytest.raises(PolicyError, match="never edited"):
        registry.folder(version)
    (registry.root / INDEX).write_text('{"format": 1, "entries": {"csco": {"versions": 3}}}')
    with pytest.raises(PolicyError, match="a registry's index"):
        registry.entries()
    (registry.root / INDEX).write_text("{")
    with pytest.raises(PolicyError, match="a registry's index"):
        registry.register(policies[0], "csco")


def test_a_killed_registration_leaves_what_was(
    registry: LocalRegistry, policies: list[Path]
) -> None:
    registry.register(policies[0], "csco")
    (registry.root / "csco" / "2").mkdir()  # moved into place, the index not yet written
    (registry.root / "csco" / ".2.part").mkdir()
    assert [v.number for v in registry.entry("csco").versions] == [1]
    version = registry.register(policies[1], "csco")
    assert version.number == 2
    assert registry.folder(version).joinpath("card.json").is_file()
    assert not (registry.root / "csco" / ".2.part").exists()


def _register_many(root: Path, folders: list[Path], who: str) -> None:
    for folder in folders:
        LocalRegistry(root).register(folder, "csco", by=who)
        LocalRegistry(root).promote("csco", "latest", "champion", reason=who)


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    root = tmp_path / "registry"
    folders = [small_policy(tmp_path / f"p{seed}", seed) for seed in range(12)]
    spawned = multiprocessing.get_context("fork")
    workers = [
        spawned.Process(target=_register_many, args=(root, folders[i::3], f"w{i}"))
        for i in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers)
    registry = LocalRegistry(root)
    entry = registry.entry("csco")
    assert sorted(version.number for version in entry.versions) == list(range(1, 13))
    assert len({registry.folder(version) for version in entry.versions}) == 12
    assert len(entry.promotions) == 12
    json.loads((root / INDEX).read_text())


# -- names of policies ------------------------------------------------------------------------------------------------


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
    registry.promote("csco", "2", "champion", reason="x")
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
    assert resolve_policy("csco@1", registry.location).name == "1"
    assert (pin_version("policy:csco@champion"), pin_version("csco@latest")) == (
        "policy:csco@2",
        "csco@3",
    )
    assert [pin_version(text) for text in ("twap_take", "csco@1", "packaged:default")] == [
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
    monkeypatch.setattr("tercel.core.entry_points.entry_points", lambda **_: ())
    with pytest.raises(ConfigError, match=r"pip install 'tercel-studies\[mlflow\]'"):
        open_registry("mlflow+http://127.0.0.1:5000")
