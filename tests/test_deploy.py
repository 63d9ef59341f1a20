"""What stands around the package: containers, the dashboard, the lock file, the workflow. No engine is needed."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
DASHBOARD: dict[str, Any] = json.loads(
    (DEPLOY / "grafana" / "dashboards" / "tercel.json").read_text(encoding="utf-8")
)
QUERIES = [
    (target["expr"], target["legendFormat"])
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
]
TOKEN = "of metrics"
SERVICES = ("exchange", "desk", "console")


def exported() -> dict[str, set[str]]:
    """Names of the console's metrics, as a query writes them, and their labels."""
    pytest.importorskip("prometheus_client")
    from tercel.desk.console.metrics import Metrics

    found = {}
    metrics = Metrics()
    for one in (*metrics._counters.values(), *metrics._gauges.values()):
        [family] = one.describe()
        found[f"{family.name}_total" if family.type == "counter" else family.name] = set(
            one._labelnames
        )
    return found


def test_the_dashboard_asks_for_metrics_and_labels_that_the_desk_exports() -> None:
    known = exported()
    asked: set[str] = set()
    for expression, legend in QUERIES:
        names = set(re.findall(r"tercel_\w+", expression))
        assert names, expression
        assert names <= set(known), expression
        labels = {
            label.strip()
            for group in re.findall(r"by \(([^)]*)\)", expression)
            for label in group.split(",")
        }
        labels |= set(re.findall(r"\{\{(\w+)\}\}", legend))
        assert all(labels <= known[name] for name in names), (expression, legend)
        asked |= names
    assert asked == set(known), "every metric has its panel"


def test_the_dashboard_reads_the_source_that_is_provisioned() -> None:
    provisioned = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text()
    )
    [source] = provisioned["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    where = "--web.listen-address=" + source["url"].removeprefix("http://")
    assert where in COMPOSE["services"]["prometheus"]["command"]
    places = [
        (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
        for panel in DASHBOARD["panels"]
        for dx in range(panel["gridPos"]["w"])
        for dy in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places)), "panels lie on each other"


def test_services_have_what_they_name() -> None:
    services = COMPOSE["services"]
    assert set(services) == {*SERVICES, "prometheus", "grafana"}
    for service in services.values():
        assert set(service.get("depends_on", [])) <= set(services)
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (
                (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]
            )
    scrape = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"][0]
    port = services["console"]["command"][-1]
    assert scrape["static_configs"][0]["targets"] == [f"127.0.0.1:{port}"]
    assert scrape["authorization"]["credentials_file"] == "/run/secrets/metrics_token"
    assert services["prometheus"]["secrets"] == ["metrics_token"]
    assert COMPOSE["secrets"]["metrics_token"]["environment"] in services["console"]["environment"]
    desk = tomllib.loads((DEPLOY / "desk.toml").read_text())["desk"]
    exchange = services["exchange"]["command"]
    assert desk["venue"] == f"fix://TRADER@127.0.0.1:{exchange[exchange.index('--port') + 1]}"
    assert float(exchange[exchange.index("--speed") + 1]) == desk["speed"]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[int]:
    """The commands of the services as plain processes, on free ports; the console's port."""
    pytest.importorskip("fastapi")
    ports = {"9878": free_port(), "8321": free_port()}
    desk = (DEPLOY / "desk.toml").read_text().replace("9878", ports["9878"])
    (tmp_path / "desk.toml").write_text(desk)
    here = {
        "/deploy/desk.toml": str(tmp_path / "desk.toml"),
        "/desks/live": str(tmp_path / "live"),
        **ports,
    }
    told = {"TERCEL_METRICS_TOKEN": TOKEN, "TERCEL_PEOPLE": str(tmp_path / "people.json")}
    processes = []
    try:
        for name in SERVICES:
            words = [here.get(word, word) for word in COMPOSE["services"][name]["command"]]
            if name == "console":
                until((tmp_path / "live" / "journal.db").exists, what="the desk's journal")
            log = (tmp_path / f"{name}.log").open("w")
            words = [sys.executable, "-m", "tercel.cli", *words]
            processes.append(subprocess.Popen(words, stdout=log, stderr=log, env=os.environ | told))
            if name == "exchange":
                until(
                    lambda: "127.0.0.1" in (tmp_path / "exchange.log").read_text(),
                    what="the exchange",
                )
        yield int(ports["8321"])
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def metrics(port: int) -> str:
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    try:
        with urllib.request.urlopen(asked, timeout=5) as page:
            text: str = page.read().decode()
            return text
    except OSError:
        return ""


@pytest.mark.long
def test_the_services_run_as_plain_processes_and_prometheus_answers_every_query(
    running: int, tmp_path: Path
) -> None:
    """Debian's Prometheus, by the configuration that ships; Grafana itself is not tried here."""
    until(
        lambda: re.search(r"^tercel_fills_total\{.*\} [1-9]", metrics(running), re.MULTILINE),
        what="a fill",
    )
    said = metrics(running)
    for name in exported():
        assert f"# HELP {name.removesuffix('_total')}" in said, name
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("no prometheus: apt-get install prometheus")
    (tmp_path / "token").write_text(TOKEN)
    told = (
        (DEPLOY / "prometheus.yml")
        .read_text()
        .replace("/run/secrets/metrics_token", str(tmp_path / "token"))
    )
    told = told.replace("8321", str(running)).replace("scrape_interval: 5s", "scrape_interval: 1s")
    (tmp_path / "prometheus.yml").write_text(told)
    port, log = free_port(), (tmp_path / "prometheus.log").open("w")
    words = [
        binary, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=log, stderr=log)

    def found(query: str) -> list[Any]:
        where = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
        try:
            with urllib.request.urlopen(where, timeout=5) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return []  # it still starts
            raise AssertionError(f"{query}: {error.read().decode()}") from None
        except OSError:
            return []  # it is not up yet
        assert answer["status"] == "success", query
        return list(answer["data"]["result"])

    try:
        until(
            lambda: found("sum(rate(tercel_journal_entries_total[1m])) > 0"),
            what="two scrapes",
            seconds=60,
        )
        said = metrics(running)
        for expression, _ in QUERIES:
            names = re.findall(r"tercel_\w+", expression)
            there = all(re.search(rf"^{name}(\{{| )", said, re.MULTILINE) for name in names)
            assert bool(found(expression)) or not there, expression
    finally:
        process.terminate()
        process.wait(30)


def test_the_image_holds_the_package_and_no_data() -> None:
    told = (ROOT / ".dockerignore").read_text().split()
    assert told[0] == "*"
    copied = re.findall(r"^COPY (.*) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {word for line in copied for word in line.split()}
    assert sources == {word.removeprefix("!") for word in told if word.startswith("!")}


FREE = re.compile(r"\bAGPL|affero", re.IGNORECASE)


def licence(package: metadata.Distribution) -> str:
    """What a distribution says of its licence."""
    about = package.metadata
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License")]
    return " ".join(
        filter(
            None,
            [about.get("License-Expression"), (about.get("License") or "")[:200], *classifiers],
        )
    )


def locked() -> list[str]:
    """Distributions of the lock file."""
    text = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    return [match[1].lower() for match in re.finditer(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE)]


def test_nothing_that_is_locked_is_under_the_agpl() -> None:
    installed = {package.metadata["Name"].lower(): package for package in metadata.distributions()}
    found = {name: licence(installed[name]) for name in locked() if name in installed}
    assert len(found) > 50
    assert {name: said for name, said in found.items() if FREE.search(said)} == {}


def test_the_lock_has_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [
        *project["dependencies"],
        *(one for one in extras["dev"] if not one.startswith("tercel[")),
        *extras["docs"],
    ]
    names = {re.split(r"[\[<>=!~ ]", one)[0].lower() for one in asked}
    assert names <= {name.replace("_", "-") for name in locked()}


def test_the_workflow_tries_every_python_that_the_project_names() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {one.rsplit(" ", 1)[1] for one in project["classifiers"] if "Python :: 3." in one}
    assert set(jobs["test"]["strategy"]["matrix"]["python"]) == named
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
