"""The desk behind the stage, under /simulator/api: faults, switches, people, what happened.

Tests in other processes and the page's log use it.
"""

from dataclasses import asdict
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.wechat.simulator.config import PersonConfig
from app.wechat.simulator.faults import Fault
from app.wechat.simulator.platform import Platform

# What a template message comes to (success, failed:user block …), what a subscription message
# does (0 or an error code), risk control, virtual account.
TRAITS = {"template_outcome": str, "subscription_error": int, "blocked": bool, "snapshot": bool}
# Seconds before each answer of the API, the Open Platform, how often each push is delivered.
SWITCHES = {"latency": float, "unionids": bool, "copies": int}


class Control:
    """The endpoints, over one platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def routes(self) -> list[Route]:
        """Those of the desk, to be mounted at /simulator/api."""
        return [
            Route("/people", self.join, methods=["POST"]),
            Route("/people/{key}", self.person, methods=["GET", "PATCH"]),
            Route("/calls", self.calls),
            Route("/pushes", self.pushes),
            Route("/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/switches", self.switches, methods=["GET", "POST"]),
            Route("/reset", self.reset, methods=["POST"]),
        ]

    async def join(self, request: Request) -> Response:
        """A new person: key, name, phone?, follows?."""
        try:
            user = self._platform.add_person(PersonConfig(**await request.json()))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, status_code=422)
        return JSONResponse({"key": user.key}, status_code=201)

    async def person(self, request: Request) -> Response:
        """One person with their identities; PATCH changes the traits named in TRAITS."""
        user = self._platform.users.get(request.path_params["key"])
        if user is None:
            raise HTTPException(404)
        if request.method == "PATCH":
            _set(user, TRAITS, await request.json())
        ids = {
            "service_account": user.contacts[self._platform.service_account.config.app_id].openid,
            "mini_program": user.contacts[self._platform.mini_program.config.app_id].openid,
        }
        body = {"key": user.key, "name": user.name, "phone": user.phone, "openids": ids}
        traits = {name: getattr(user, name) for name in TRAITS}
        return JSONResponse(body | {"unionid": user.unionid} | traits)

    async def calls(self, request: Request) -> Response:
        """The last calls of the API, newest last."""
        limit = int(request.query_params.get("limit", "100"))
        return JSONResponse([asdict(call) for call in list(self._platform.calls)[-limit:]])

    async def pushes(self, request: Request) -> Response:
        """The last pushes with their attempts, newest last."""
        limit = int(request.query_params.get("limit", "100"))
        return JSONResponse([asdict(push) for push in list(self._platform.pushes)[-limit:]])

    async def faults(self, request: Request) -> Response:
        """Read, add to or clear the script of faults; fields as in `faults.Fault`."""
        faults = self._platform.faults
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            try:
                faults.add(Fault(**await request.json()))
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": str(error)}, status_code=422)
        return JSONResponse([asdict(rule) for rule in faults.rules])

    async def switches(self, request: Request) -> Response:
        """Read or change what holds for the whole platform, as named in SWITCHES."""
        if request.method == "POST":
            _set(self._platform, SWITCHES, await request.json())
        return JSONResponse({name: getattr(self._platform, name) for name in SWITCHES})

    async def reset(self, request: Request) -> Response:
        """Forget everything that happened."""
        del request
        self._platform.reset()
        return JSONResponse({})


def _set(target: object, names: dict[str, type], given: dict[str, Any]) -> None:
    for name in names.keys() & given.keys():
        setattr(target, name, names[name](given[name]))
