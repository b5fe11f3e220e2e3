"""The simulated platform as a whole: its memory, its pushes, and the phones of its people."""

import time
from collections.abc import Callable

import httpx
from httpx_aiohttp import AiohttpTransport

from app.wechat.simulator.config import PlatformConfig
from app.wechat.simulator.phone import Phone
from app.wechat.simulator.pushes import Pushes
from app.wechat.simulator.state import World


def new_client() -> httpx.AsyncClient:
    """A client for pushes that ignores proxies: the callback is a neighbour."""
    return httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False)


class Platform(World):
    """What tests, the demo and `create_app` hold in hand.

    `http` carries the pushes (a test hands in one whose transport is our own app); `clock` gives
    seconds since the epoch and may be exchanged at any time. Call `close` at the end.
    """

    def __init__(
        self,
        config: PlatformConfig,
        http: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(config, clock)
        self.http = http or new_client()
        self._owns_http = http is None
        self.push = Pushes(self, self.http)

    def phone(self, key: str) -> Phone:
        """The telephone of a person of the configuration. Raises KeyError."""
        return Phone(self, self.push, self.users[key])

    async def close(self) -> None:
        """Stop what runs in the background and close our own client."""
        for task in self.tasks:
            task.cancel()
        self.push.close()
        if self._owns_http:
            await self.http.aclose()
