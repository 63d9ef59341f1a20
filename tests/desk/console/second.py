"""A second person, at a console of their own."""

from contextlib import closing

import httpx
from tests.waiting import until


def client_of(address: str, name: str, password: str) -> httpx.Client:
    """A person who is logged in at an address."""
    client = httpx.Client(base_url=address, timeout=60)
    entered = client.post("/api/login", json={"name": name, "password": password})
    assert entered.status_code == 200, entered.text
    client.headers["x-csrf"] = entered.json()["csrf"]
    return client


def confirm(address: str, name: str, password: str) -> None:
    """Log in at an address, wait for what another person asked for, and confirm it."""
    with closing(client_of(address, name, password)) as client:

        def waiting() -> list[str]:
            rows = client.get("/api/requests").json()
            return [str(row["id"]) for row in rows if row["state"] == "waits"]

        until(waiting, what="a request")
        for one in waiting():
            said = client.post(f"/api/requests/{one}/confirm", json={"reason": "so it is"})
            assert said.status_code == 200, said.text
