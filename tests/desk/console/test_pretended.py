"""The console that only pretends says what the real one's models say: else its tests of the page prove nothing."""

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from tests.desk.console.pretended import create_app
from tests.desk.console.pretended_answers import FILE, answers
from tests.desk.console.pretended_page import MINUTE, START

from tercel.api.console import models
from tercel.desk.console.chart_types import BookPart, Chart
from tercel.desk.console.desk_tables import AgentRow, DeskRow
from tercel.desk.console.journal_pages import JournalPage, Why
from tercel.desk.console.model_report import ModelCard
from tercel.desk.console.report import Limit, LiveDeskReport
from tercel.desk.trading.forecast_outcomes import ForecastRow

NOW = START["today"] + 60 * MINUTE
SAID = {
    "me": models.Me,
    "ways": models.Ways,
    "desks": list[DeskRow],
    "agents": list[AgentRow],
    "requests": list[models.Request],
    "users": list[models.User],
    "desks/today/state": LiveDeskReport,
    f"desks/today/at?ns={NOW}": LiveDeskReport,
    f"desks/today/chart/CSCO?from_ns={START['today']}&to_ns={NOW}": Chart,
    f"desks/today/book/CSCO?ns={NOW}": BookPart,
    "desks/today/limits": list[Limit],
    "desks/today/forecasts": list[ForecastRow],
    "desks/today/models": list[ModelCard],
    "desks/today/why/7": Why,
    "desks/today/journal": JournalPage,
}


def test_what_it_pretends_is_what_the_models_say() -> None:
    client = TestClient(create_app())
    assert client.post("/api/login", json={"name": "admin", "password": "any"}).status_code == 200
    for path, model in SAID.items():
        TypeAdapter(model).validate_python(client.get(f"/api/{path}").json())


def test_the_pages_own_tests_have_its_answers() -> None:
    assert FILE.read_text(encoding="utf-8") == answers(), (
        "python -m tests.desk.console.pretended_answers"
    )
