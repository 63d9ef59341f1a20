"""The code base itself: what an import may load, the layering, the Makefile's own words."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from guards.program import commands

import tercel

ROOT = Path(__file__).resolve().parents[1]
ASIDE = ("benchmarks", "certify", "exchange", "replications", "studies")
"""What a clone has beside the package: not installed, and never imported by it."""
INSIDE = {"tercel", "llvmlite"}
"""What a declared library is made of, and ourselves."""
HEAVY = (
    "torch",
    "numba",
    "polars",
    "matplotlib",
    "numpy",
    "scipy",
    "stable_baselines3",
    "onnx",
    "gymnasium",
)


SEEN = (ast.Attribute, ast.Call, ast.ClassDef, ast.Constant, ast.Import, ast.ImportFrom)


parsed = cache(ast.parse)


@cache
def all_nodes(source: str) -> list[ast.AST]:
    return [node for node in ast.walk(parsed(source)) if isinstance(node, SEEN)]


def nodes(source: str, words: str = "") -> list[ast.AST]:
    """Nodes of a source that tests below look at, of the kinds `SEEN`; none of one without a word of a pattern."""
    return all_nodes(source) if re.search(words, source) else []


@pytest.fixture(scope="module", autouse=True)
def forgotten() -> Iterator[None]:
    yield
    all_nodes.cache_clear()
    parsed.cache_clear()


def loaded_by(code: str) -> set[str]:
    """Heavy modules that a fresh interpreter holds after `code`."""
    report = f"\nimport sys\nsys.stderr.write(' '.join(sorted(set({HEAVY!r}) & set(sys.modules))))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import tercel") == set()


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["run", "--help"], ["data", "import", "lobster", "--help"]]
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["tercel", *{words!r}]
from tercel.cli import main
try:
    main()
except SystemExit as end:
    assert end.code in (None, 0), end.code
"""
    assert loaded_by(code) == set()


def test_the_error_tree_and_the_vocabulary_are_free() -> None:
    assert loaded_by("import tercel.core.errors, tercel.core.vocabulary") == set()


def test_what_is_imported_is_declared() -> None:
    """What happens to be installed beside us is missing from somebody's empty environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [
        *project["dependencies"],
        *(one for extra in project["optional-dependencies"].values() for one in extra),
    ]
    declared = {re.match(r"[A-Za-z0-9_.-]+", one)[0].lower().replace("_", "-") for one in listed}  # type: ignore[index]
    known, undeclared = packages_distributions(), set[str]()
    for path in (ROOT / "src").rglob("*.py"):
        for node in nodes(path.read_text()):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += (
                [str(node.module)] if isinstance(node, ast.ImportFrom) and not node.level else []
            )
            for root in (
                {name.partition(".")[0] for name in names} - sys.stdlib_module_names - INSIDE
            ):
                if root in known and not declared & {
                    one.lower().replace("_", "-") for one in known[root]
                }:
                    undeclared.add(f"{root} in {path.relative_to(ROOT)}")
    assert sorted(undeclared) == []


def test_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert tercel.__version__ == project["version"]
    assert f"## [{tercel.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("import-linter is not installed beside this interpreter")
    return subprocess.run(
        [tool, "--no-cache"],
        cwd=root,
        env={"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=False,
    )


def circle(package: str) -> list[str]:
    """Modules of a package that import each other in a ring, if any do: imports in functions and for types count."""
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph(package, cache_dir=None)
    try:
        TopologicalSorter(
            {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
        ).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = {
        "a": "def late():\n    import ring.b",
        "b": "import typing\nif typing.TYPE_CHECKING:\n    import ring.a",
    }
    (tmp_path / "ring").mkdir()
    for name, source in ({"__init__": ""} | planted).items():
        (tmp_path / "ring" / f"{name}.py").write_text(source + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert set(circle("ring")) == {"ring.a", "ring.b"}
    assert circle("tercel") == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("src", *ASIDE):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


PLANTED = {
    "core": ["import tercel.market"],
    "core/report": ["import tercel.core.stats"],
    "execution": ["def late():\n    import tercel.lab"],
    "desk": ["import tercel.lab"],
    "venues": ["import tercel.desk.limits"],
    "lab": ["import tercel.desk.limits"],
    "fix": ["import tercel.execution"],
    "market": ["import torch"],
    "api": ["def late():\n    import tercel.cli", "import benchmarks"],
    "unlisted": [""],
}
"""Imports against the layers, by package; a package that no layer lists."""
BROKEN = [
    "tercel.core is not allowed to import tercel.market",
    "tercel.core.report is not allowed to import tercel.core.stats",
    "tercel.execution is not allowed to import tercel.lab",
    "tercel.desk is not allowed to import tercel.lab",
    "tercel.venues is not allowed to import tercel.desk",
    "tercel.lab is not allowed to import tercel.desk",
    "tercel.fix is not allowed to import tercel.execution",
    "tercel.market is not allowed to import torch",
    "tercel.api is not allowed to import tercel.cli",
    "tercel is not allowed to import benchmarks",
]


def test_planted_imports_against_the_layering_are_found(copy: Path) -> None:
    """Our own layering is checked by `make check`."""
    for room, sources in PLANTED.items():
        folder = copy / "src" / "tercel" / room
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").touch()
        for at, source in enumerate(sources):
            (folder / f"planted{at}.py").write_text(source + "\n")
    done = lint_imports(copy)
    assert done.returncode != 0
    found = " ".join(done.stdout.split())
    assert [one for one in [*BROKEN, "unlisted"] if one not in found] == []


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_explains_every_target() -> None:
    said = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("setup", "run", "test", "check", "bench", "help"):
        assert f"make {target} " in said


def called(call: ast.Call) -> str:
    """What is called, as it stands there; a name with dots at once, as nearly all are."""
    at, names = call.func, []
    while isinstance(at, ast.Attribute):
        names.append(at.attr)
        at = at.value
    return ".".join([at.id if isinstance(at, ast.Name) else ast.unparse(at), *reversed(names)])


def asked_by_string(source: str, names: set[str]) -> list[str]:
    """What a source asks a venue for by a string, or anything for a capability of a venue."""
    found = []
    for call in (node for node in nodes(source, "attr") if isinstance(node, ast.Call)):
        if called(call) in (
            "getattr",
            "hasattr",
            "getattr_static",
            "inspect.getattr_static",
            "attrgetter",
        ):
            literals = {one.value for one in call.args if isinstance(one, ast.Constant)}
            if (
                re.search(r"venue|exchange", ast.unparse(call.args[0]), re.IGNORECASE)
                or literals & names
            ):
                found.append(ast.unparse(call))
    return found


def members_of(kind: ast.ClassDef) -> set[str]:
    """Names that a class defines or annotates."""
    annotated = [one.target for one in kind.body if isinstance(one, ast.AnnAssign)]
    methods = {one.name for one in kind.body if isinstance(one, ast.FunctionDef)}
    return methods | {one.id for one in annotated if isinstance(one, ast.Name)}


def test_nobody_asks_a_venue_by_a_string_what_it_can_do() -> None:
    """A typo would turn a safety feature off in silence: `tercel.core.ports` has a protocol of each."""
    kinds = {
        one.name: one
        for one in ast.parse((ROOT / CAPABILITIES).read_text()).body
        if isinstance(one, ast.ClassDef)
    }
    named = {one.id for one in ast.walk(kinds["Capabilities"]) if isinstance(one, ast.Name)}
    offered = {"Capabilities", *named} & kinds.keys()
    members = {name for kind in offered for name in members_of(kinds[kind])}
    assert members >= {
        "reconnect",
        "up",
        "positions",
        "executions",
        "announce",
        "disown",
        "unrecorded",
        "stepped",
    }
    for planted in (
        "hasattr(self._venue, 'whatever')",
        "getattr(gateway.venue, name, None)",
        "getattr(exchange, 'now_ns')",
        "getattr(link, 'reconnect', None)",
        "getattr(it, 'unrecorded', '')",
        "attrgetter('positions')",
    ):
        assert len(asked_by_string(planted, members)) == 1, planted
    assert asked_by_string("getattr(error, 'strerror', None)", members) == []
    sources = [path for name in ("src", *ASIDE) for path in (ROOT / name).rglob("*.py")]
    found = {
        str(path.relative_to(ROOT)): asked_by_string(path.read_text(), members) for path in sources
    }
    assert {path: what for path, what in found.items() if what and path != CAPABILITIES} == {}


STRINGS_ON_THE_DESK = {
    *("strerror", "sqlite_errorname", "orig"),  # of errors of the system and of databases
    *("inner", "weights"),  # of strategies: which model decides, for the journal
    *(
        "take_inbox",
        "snapshot",
        "keep_snapshot",
        "ignored",
    ),  # of journals with an inbox or snapshots
}
"""What code that trades may ask an object for by a string; it may only shrink."""


def test_code_that_trades_asks_by_string_for_little() -> None:
    """Messages and limits are typed: a name that mypy does not see is a name that a typo may hide."""
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        if not {"desk", "venues", "fix"} & set(path.relative_to(ROOT).parts):
            continue
        calls = (node for node in nodes(path.read_text(), "attr") if isinstance(node, ast.Call))
        for call in calls:
            if called(call) in ("getattr", "hasattr"):
                found |= {one.value for one in call.args[1:2] if isinstance(one, ast.Constant)}
    assert found == STRINGS_ON_THE_DESK


CAPABILITIES = "src/tercel/core/capabilities.py"
"""The one file that looks: it refuses a venue that has what it does not declare."""


UNSAFE_WORDS = {"weights_only", "allow_pickle"}
RUNS_CODE = {"pickle", "_pickle", "cPickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}


def unsafe_loads(source: str) -> list[str]:
    """What of a source reads what may run code: imports (by name too), `torch.load` of objects, `allow_pickle`."""
    found = []
    for node in nodes(source, "|".join(("pickle|load", *sorted(RUNS_CODE)))):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name.split(".")[0] in RUNS_CODE]
        elif isinstance(node, ast.ImportFrom):
            found += [str(node.module)] if str(node.module).split(".")[0] in RUNS_CODE else []
        elif isinstance(node, ast.Call):
            what = called(node)
            words = {
                one.arg: ast.unparse(one.value) for one in node.keywords if one.arg in UNSAFE_WORDS
            }
            texts = [
                one.value
                for one in node.args
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            ]
            if what.endswith(("needed", "import_module", "__import__")):
                found += [text for text in texts if text.split(".")[0] in RUNS_CODE]
            if what.endswith("torch.load") and words.get("weights_only") != "True":
                found.append(what)
            if words.get("allow_pickle", "False") != "False" or what.endswith("read_pickle"):
                found.append(what)
    return found


def test_nothing_that_a_person_may_be_handed_can_run_code() -> None:
    """Model folders, policies, runs and lakes are JSON, Parquet, ONNX and arrays: what may run code is never loaded."""
    for planted in (
        "import pickle",
        "from joblib import load",
        "def late():\n    import cloudpickle as c",
        "needed('joblib').load(path)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=asked)",
        "pl.read_pickle(path)",
    ):
        assert len(unsafe_loads(planted)) == 1, planted
    assert (
        unsafe_loads("torch.load(f, weights_only=True)\nnp.load(f)\nnp.load(f, allow_pickle=False)")
        == []
    )
    sources = [path for name in ("src", *ASIDE) for path in (ROOT / name).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): unsafe_loads(path.read_text()) for path in sources}
    trusted = {
        "src/tercel/lab/learning/sb3/archive.py": ["pickle"]
    }  # an archive that a person named with --trust
    assert {path: what for path, what in found.items() if what} == trusted


def above_its_place(source: str) -> list[str]:
    """Texts of a source that name the command line's package, and patterns that take the text of an error apart."""
    found = []
    for node in nodes(source):
        found += [text for text in texts_of(node) if "tercel.cli" in text]
        if isinstance(node, ast.Call) and called(node).startswith("re."):
            found += [text for one in ast.walk(node) for text in texts_of(one) if TOLD.search(text)]
    return found


def texts_of(node: ast.AST) -> list[str]:
    """The text that a node is, if it is one."""
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


TOLD = re.compile("received|to go on|NOT known")


def test_nothing_below_the_command_line_names_it_or_reads_what_people_are_told() -> None:
    """A process that a package starts is its own, and its errors come as JSON."""
    for planted in (
        'run("python -m tercel.cli gate")',
        're.search(r"^ +received  (.*)", said)',
        're.compile("NOT known")',
    ):
        assert len(above_its_place(planted)) == 1, planted
    assert above_its_place('raise VenueError("a gate", "none", "to go on")') == []
    sources = [
        path for path in (ROOT / "src").rglob("*.py") if "cli" not in path.relative_to(ROOT).parts
    ]
    found = {str(path.relative_to(ROOT)): above_its_place(path.read_text()) for path in sources}
    assert {path: what for path, what in found.items() if what} == {}


def sleeps(source: str) -> list[int]:
    """Lines that let a fixed time pass: `sleep(1)`, `Event().wait(0.2)`."""
    found = []
    for call in (
        node for node in nodes(source, r"sleep\(|Event\(\)\.wait") if isinstance(node, ast.Call)
    ):
        what = called(call)
        if what.endswith(("sleep", "Event().wait")) and any(
            isinstance(one, ast.Constant) for one in call.args
        ):
            found.append(call.lineno)
    return found


def test_no_test_waits_for_a_time_instead_of_a_condition() -> None:
    """A machine may be as busy as it likes: `tests/waiting.py` waits for what is to come about."""
    assert (
        sleeps("import time\ntime.sleep(3)")
        == sleeps("import threading\nthreading.Event().wait(0.2)")
        == [2]
    )
    assert sleeps("def sleep_ns(self, ns):\n    time.sleep(ns / 1e9)\nover.wait(300)") == []
    found = {
        str(path.relative_to(ROOT)): sleeps(path.read_text())
        for path in (ROOT / "tests").rglob("*.py")
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_no_public_class_has_the_name_of_another() -> None:
    where: dict[str, list[str]] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in parsed(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


MOST_PARAMETERS = 12


def public_functions(source: str) -> Iterator[tuple[str, int]]:
    """Public functions and methods of a source by name, with the number of their parameters; `self` is none."""

    def inside(body: Sequence[ast.AST], above: str) -> Iterator[tuple[str, int]]:
        for node in body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield from inside(node.body, f"{node.name}.")
            elif isinstance(node, ast.FunctionDef) and (
                not node.name.startswith("_") or node.name == "__init__"
            ):
                one = node.args
                names = [each.arg for each in (*one.posonlyargs, *one.args, *one.kwonlyargs)]
                yield above + node.name, len(names) - (names[:1] in (["self"], ["cls"]))

    yield from inside(parsed(source).body, "")


def test_functions_have_few_parameters() -> None:
    assert dict(
        public_functions("class A:\n    def f(self, a, *, b): ...\n    def _g(self): ...")
    ) == {"A.f": 2}
    sources = {
        str(path.relative_to(ROOT / "src/tercel")): path.read_text()
        for path in (ROOT / "src").rglob("*.py")
    }
    many = {
        f"{path} {name}"
        for path, text in sources.items()
        for name, n in public_functions(text)
        if n > MOST_PARAMETERS
    }
    assert not many


OPTION = re.compile(r"(?<![\w-])(?<!var\()--[a-z]")
PARAMETER = re.compile(r"(?<!`)`([a-z]\w*)=")
TYPED = "cli"


def texts_below_the_command_line() -> Iterator[tuple[str, str]]:
    """Every constant text of the packages, docstrings too, and where it stands."""
    room = ROOT / "src" / "tercel"
    for path in sorted(room.rglob("*.py")):
        where = path.relative_to(room).as_posix()
        for node in () if where.startswith(TYPED) else nodes(path.read_text()):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"{where}:{node.lineno}", node.value


def writes_to_a_terminal(path: Path) -> bool:
    """Whether a file calls `print`, names a standard stream, or makes a console on one."""
    source = path.read_text()
    if re.search("print|sys|Console", source) is None:
        return False
    found = (node for node in nodes(source) if isinstance(node, ast.Call | ast.Attribute))
    writes = re.compile(r"print\(|sys\.(stdout|stderr)\b|(?!.*\bfile=)Console\(")
    return any(writes.match(ast.unparse(node)) for node in found)


def test_the_command_line_alone_writes_to_a_terminal() -> None:
    """But what Python shows on the way (`api.display`), and a gate's process, which answers the one that started it."""
    room = ROOT / "src" / "tercel"
    found = {
        path.relative_to(room).as_posix()
        for path in room.rglob("*.py")
        if writes_to_a_terminal(path)
    }
    assert "cli/output.py" in found
    assert {where for where in found if not where.startswith("cli/")} == {
        "api/display.py",
        "desk/gate/__main__.py",
    }


def test_no_text_below_the_command_line_names_an_option() -> None:
    """But a word alone, for a process that is started: whatever else is read may be read in Python."""
    told = [(where, text) for where, text in texts_below_the_command_line() if OPTION.search(text)]
    assert [(where, text) for where, text in told if re.fullmatch(r"--[a-z-]+", text) is None] == []


def test_every_parameter_that_a_text_names_is_an_option_of_some_command() -> None:
    """The command line makes an option of each (`cli.output.in_options`)."""
    options = {
        name.lstrip("-").replace("-", "_")
        for _, body in commands()
        for one in body.params
        for name in one.opts
    }
    named = [
        (name, where)
        for where, text in texts_below_the_command_line()
        for name in PARAMETER.findall(text)
    ]
    assert len(named) > 100
    assert [(name, where) for name, where in named if name not in options] == []
