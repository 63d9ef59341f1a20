"""The console over HTTP: every route with its permission, behind one guard.

app = create_app(served([Path("desks/today")], time.time_ns, time.monotonic), People(file), time.monotonic)
server_of(app).run(sockets=[bind(8321)])
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from tercel.api.console.connected import ConnectedDesk, Desks, served
from tercel.api.console.guard import LOOPBACK_HOSTS, GuardedRoute, HttpGuard, Json, tell_errors
from tercel.api.console.login_routes import add_login_routes, add_provider, add_users
from tercel.api.console.oidc import IdentityProvider
from tercel.api.console.page import add_page
from tercel.api.console.people import People
from tercel.api.console.reads import add_reads
from tercel.api.console.sessions import Sessions
from tercel.api.console.writes import add_writes

__all__ = ["ConnectedDesk", "Desks", "create_app", "served"]


def create_app(
    desks: Desks,
    people: People,
    now_s: Callable[[], float],
    *,
    token: str | None = None,
    provider: IdentityProvider | None = None,
    hosts: Iterable[str] = LOOPBACK_HOSTS,
) -> FastAPI:
    """The console of some desks.

    Parameters
    ----------
    desks : Desks
        StrictModel and acted on; their followers are started and stopped with the server.
    people : People
        Who may do what.
    now_s : callable
        Seconds that never go back.
    token : str, optional
        Whoever bears it may read `/metrics`; without one only a session may.
    provider : IdentityProvider, optional
        Whom it names may come in without a password.
    hosts : iterable of str
        Names by which the console may be called.
    """

    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        for one in desks.values():
            one.follower.start()
        yield
        for one in desks.values():
            one.follower.stop()

    app = FastAPI(
        title="Tercel console",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=life,
        default_response_class=Json,
        redirect_slashes=False,
        description="Times: ns of the venue's clock. Costs: bps.",
    )
    app.router.route_class = GuardedRoute
    app.state.sessions = Sessions(people, now_s)
    app.state.token = token
    tell_errors(app)
    add_login_routes(app, app.state.sessions, provider is not None)
    if provider is not None:
        add_provider(app, app.state.sessions, provider)
    add_users(app, people)
    add_reads(app, desks)
    add_writes(app, desks)
    add_page(app)
    app.add_middleware(HttpGuard, hosts=hosts)
    return app
