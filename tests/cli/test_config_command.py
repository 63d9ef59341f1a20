"""`tercel config`: every file that ships is of its kind and fits its schema; errors name the row or the key."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import refused, tercel
from typer.testing import CliRunner

from tercel.cli.config import NAMES, kind_of, schemas
from tercel.cli.root import app
from tercel.core.json_schema import DRAFT, schema_of
from tercel.desk.limits import packaged_text

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "tercel"
REGIME = """
since = "arrival"
[[script]]
at_s = 300
regime = "gap"
[[regime.gap]]
seconds = 20
limit = 0.2
[[regime.gap]]
limit = 0.8
"""
SHIPPED = {
    **dict.fromkeys(
        (PACKAGE / "lab" / "learning" / "agent" / "agent_presets").glob("*.toml"), "agent"
    ),
    **dict.fromkeys((PACKAGE / "feeds" / "maps").glob("*.toml"), "map"),
    **dict.fromkeys((ROOT / "docs" / "examples").glob("signals*.toml"), "signals"),
    **{
        ROOT / "docs" / "examples" / f"{name}.toml": "desk"
        for name in ("fix", "arrows", "stranger")
    },
    PACKAGE / "api" / "demo.toml": "desk",
    ROOT / "studies" / "ablation" / "variants.toml": "variants",
}


def asked(*words: str) -> tuple[int, Any]:
    done = CliRunner().invoke(app, ["config", *words, "--json"])
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Schemas as the command writes them."""
    code, found = asked("schema", "--out", str(tmp_path_factory.mktemp("schemas")))
    assert code == 0
    return {kind: json.loads(Path(path).read_text()) for kind, path in found["schemas"].items()}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.long] * (path.stem == "signals_sources"))
        for path in SHIPPED
    ],
    ids=lambda path: path.stem,
)
def test_a_file_that_ships_is_of_its_kind_and_fits_its_schema(
    path: Path, written: dict[str, Any], tmp_path: Path
) -> None:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    assert kind_of(raw) == SHIPPED[path]
    jsonschema.Draft202012Validator(written[SHIPPED[path]]).validate(raw)
    # prices of hundreds of names are read where `signals_sources` names them: here they are absent
    file = shutil.copy(path, tmp_path) if path.stem == "signals" else path
    code, found = asked("check", str(file))
    assert (code, found["kind"]) == (0, SHIPPED[path])


def test_the_packaged_limits_are_of_their_kind_and_fit_their_schema(
    written: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(LIMITS)
    jsonschema.Draft202012Validator(written["limits"]).validate(tomllib.loads(LIMITS))
    code, found = asked("check", str(file))
    assert (code, found["kind"]) == (0, "limits")


def test_a_schema_is_one_and_refuses_what_the_reader_refuses(
    tmp_path: Path, written: dict[str, Any]
) -> None:
    assert set(written) == set(NAMES) == set(schemas())
    path = tmp_path / "regimes.toml"
    path.write_text(REGIME)
    jsonschema.Draft202012Validator(written["regimes"]).validate(tomllib.loads(REGIME))
    assert asked("check", str(path))[1]["kind"] == "regimes"
    for kind, schema in written.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == DRAFT, kind
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate({"nothing": {"like": "it"}})
    assert (
        "A rule, a strategy"
        in written["desk"]["$defs"]["AgentSection"]["properties"]["strategy"]["description"]
    )
    assert (
        "informed flow"
        in written["desk"]["$defs"]["PlantedMarket"]["properties"]["drift"]["description"]
    ), "of the scenario"
    assert schema_of(dict[str, int], "counts")["additionalProperties"] == {"type": "integer"}


DESK = '[desk]\nrounds = 3\n\n[[instrument]]\nname = "A"\n\n[[agent]]\nname = "x"\nstrategy = "peg_touch"\n'
LIMITS = packaged_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DESK.replace("strategy", "stategy"), "agent.0.stategy (row 9)"),
        (DESK.replace("3", "0"), "0 (row 2)"),
        (DESK.replace('name = "x"\n', ""), "(row 7)"),
        ("[desk\n", "line 1"),
        ("x = 1\n", "none that is known"),
        (LIMITS.replace("collar_bps = 500", 'collar_bps = "5"'), "key collar_bps of [instruments"),
        ('[market]\npresets = ["sh600961"]\n[lerner]\nframes = 5\n', "lerner (row 3)"),
        ('[chain]\nstates = ["plain"]\nrate = [[0]]\n', "chain.rate (row 3)"),
    ],
)
def test_an_error_names_file_and_row_or_key(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    code, found = asked("check", str(path))
    assert code == 2
    assert told in found["error"]["received"]
    assert "mine.toml" in found["error"]["received"]
    assert "mend the row" in found["error"]["remedy"] or told != "line 1"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("peg_touch", "peg_tuch", "try 'peg_touch'"),
        ("peg_touch", "packaged:nobody", "nobody"),
        ('name = "A"', 'name = "A"\nmarket = "sh600961-203"', "sh600961-203"),
        ("[desk]\n", '[limits]\nfile = "limits.toml"\n[desk]\n', "limits.toml"),
        ("[desk]\n", '[desk]\nvenue = "pigeon://x"\n', "pigeon"),
    ],
)
def test_a_desk_is_refused_as_it_is_run(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(DESK.replace(old, new))
    code, found = asked("check", str(path))
    run = CliRunner().invoke(
        app, ["trade", "run", str(path), "--desk", str(tmp_path / "desk"), "--json"]
    )
    assert (code, run.exit_code) == (2, 2)
    assert found["error"] == json.loads(run.stdout)["error"]
    assert told in " ".join(found["error"].values())
    assert not (tmp_path / "desk").exists()


EMAIL = """[alerts.email]
server = "smtp.x.org"
port = 587
user = "desk"
password = { env = "MAIL_WORD" }
sender = "desk@x.org"
to = ["ann@x.org"]
levels = ["critical"]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("desk@x.org", "desk", "alerts.email.sender: an e-mail address such as ann@example.com"),
        ('["ann@x.org"]', '["ann@x.org", "a b@x.org"]', "'a b@x.org' (row 7)"),
        ('["ann@x.org"]', "[]", "alerts.email.to"),
        ('["critical"]', '["critcal"]', "'info', 'warning' or 'critical'"),
        ("587", "65536", "65536 (row 3)"),
        ("587", '"587"', "alerts.email.port"),
        ('server = "smtp.x.org"', 'server = "smtp://x.org"', "alerts.email.server"),
        ('server = "smtp.x.org"\n', "", "alerts.email.server: a value, as it has no default"),
        ("587", "0\nsecurity = 'ssl'", "'ssl' (row 4)"),
        ("levels", "security = 'none'\nlevels", 'security = "starttls" or "tls"; or neither'),
        ('user = "desk"\n', "", "user and password together"),
        ("levels", "level", "try 'levels'"),
        ("[alerts.email]", '[alerts]\nwebhook = "hook"\n[alerts.email]', "'hook' (row 2)"),
        ("[alerts.email]", '[alerts]\nwebhook = "http://"\n[alerts.email]', "alerts.webhook"),
        ("[alerts.email]", '[alerts]\nwebhook = "http://x:99999"\n[alerts.email]', "port"),
        ('{ env = "MAIL_WORD" }', '"hunter2"', "alerts.email.password (row 5)"),
    ],
)
def test_mail_that_could_not_be_sent_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, told: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(EMAIL + DESK)
    code, found = asked("check", str(path))
    assert (code, len(found["notes"])) == (0, 2)
    assert "set MAIL_WORD before you start" in found["notes"][0]
    monkeypatch.setenv("MAIL_WORD", "hunter3")
    assert len(asked("check", str(path))[1]["notes"]) == 1
    path.write_text(EMAIL.replace(old, new) + DESK)
    code, found = asked("check", str(path))
    assert code == 2
    assert told in " ".join(found["error"].values())
    assert "hunter2" not in json.dumps(found)


def test_an_unknown_kind_is_offered_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(DESK)
    refused(tercel("config", "check", tmp_path / "mine.toml", "--kind", "dsk"), "try 'desk'")


@pytest.mark.parametrize("key", ["password", "username"])
def test_a_file_of_a_secret_that_others_could_read_is_named(tmp_path: Path, key: str) -> None:
    secret, profile = tmp_path / "secret", tmp_path / "venue.toml"
    secret.write_text("hunter2")
    profile.write_text(f'base = "generic-44"\n[logon]\n{key} = {{ file = "secret" }}\n')
    secret.chmod(0o644)
    result = tercel("config", "check", profile)
    refused(result, "0644", "chmod 600")
    assert "hunter2" not in result.output
    secret.chmod(0o600)
    assert tercel("config", "check", profile).exit_code == 0
    secret.unlink()
    assert tercel("config", "check", profile).exit_code == 0, "it may come later"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/stdin", "/proc"])
def test_a_base_that_is_no_regular_file_is_refused_at_once(tmp_path: Path, device: str) -> None:
    profile = tmp_path / "venue.toml"
    profile.write_text(f'base = "{device}"\n')
    refused(tercel("config", "check", profile, "--kind", "profile"), "regular file")
