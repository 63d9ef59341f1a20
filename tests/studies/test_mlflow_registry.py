from pathlib import Path

import pytest
from tests.execution.registry.helper import small_policy

from tercel.core.errors import PolicyError
from tercel.execution.registry import open_registry, resolve_policy

pytest.importorskip(
    "mlflow", reason="MLflow is not installed: pip install 'tercel-studies[mlflow]'"
)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TERCEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return f"mlflow+file:{tmp_path / 'store'}"


def test_register_list_promote_and_get(url: str, tmp_path: Path) -> None:
    registry = open_registry(url)
    assert registry.entries() == []
    folders = [small_policy(tmp_path / f"p{seed}", seed) for seed in range(2)]
    versions = [
        registry.register(folder, "csco", note="n", timestamp=f"t{i}", by="b")
        for i, folder in enumerate(folders)
    ]
    assert [version.label for version in versions] == ["csco@1", "csco@2"]
    assert registry.register(folders[0], "csco") == versions[0]
    assert registry.promote("csco", "2", "champion", reason="better", timestamp="t3").before == 0
    again = open_registry(url)  # all that is known is in the store
    entry = again.entry("csco")
    assert entry.versions == tuple(versions)
    assert dict(entry.aliases) == {"champion": 2}
    assert [(p.number, p.why) for p in entry.promotions] == [(2, "better")]
    assert again.entries() == [entry]
    fetched = resolve_policy("csco@champion", url)
    assert {p.name: p.read_bytes() for p in fetched.iterdir()} == {
        p.name: p.read_bytes() for p in folders[1].iterdir()
    }


def test_a_database_file_keeps_its_files_beside_it(url: str, tmp_path: Path) -> None:
    pytest.importorskip(
        "sqlalchemy", reason="SQLAlchemy is not installed: pip install 'tercel[trade]'"
    )
    where = f"mlflow+sqlite:///{tmp_path / 'm.db'}"
    folder = small_policy(tmp_path / "p")
    open_registry(where).register(folder, "csco")
    assert (
        resolve_policy("csco@1", where).joinpath("card.json").read_bytes()
        == (folder / "card.json").read_bytes()
    )
    assert {path.name for path in tmp_path.iterdir()} == {"p", "m.db", "m.db.files", "cache"}


def test_what_is_not_there(url: str, tmp_path: Path) -> None:
    registry = open_registry(url)
    assert registry.entry("nothing").versions == ()
    with pytest.raises(PolicyError, match="none is registered"):
        registry.promote("nothing", "1", "champion", reason="x")
    with pytest.raises(PolicyError, match="MLflow at"):
        open_registry("mlflow+nonsense://x").entries()
