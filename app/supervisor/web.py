"""A web child: uvicorn on the socket that the parent has bound."""

from app.supervisor import lean

if __name__ == "__main__":
    lean.load_lean()

import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from app import logs, parent
from app.main import create_app
from app.settings import get_settings
from app.supervisor.connections import BoundedConnection

DRAIN_S = 20
# Longer than a reverse proxy keeps idle connections, so that it never uses one we have just closed.
KEEP_ALIVE_S = 75


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        parent.say_ready()


def main() -> None:
    """Be the supervisor's child: `python -m app.supervisor.web DESCRIPTOR`."""
    parent.wait_for_go()
    settings = get_settings()
    logs.configure(settings.log_level)
    serve(_demo if settings.demo else create_app, socket.socket(fileno=int(sys.argv[1])))


def _demo() -> ASGIApp:
    """The application with the simulated WeChat's pages beside it."""
    from app.demo.proxy import WithSimulator  # noqa: PLC0415 - nobody else needs it

    return WithSimulator(create_app(), get_settings().wechat_api_url)


def serve(factory: Callable[[], ASGIApp], listener: socket.socket) -> None:
    """Serve what `factory` makes until SIGTERM, then let requests under way end."""
    config = uvicorn.Config(
        factory,
        factory=True,
        loop="uvloop",
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whom to believe is a setting of ours, see routers/deps
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    _Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
