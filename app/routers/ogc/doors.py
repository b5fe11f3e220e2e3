"""What an endpoint under `/ogc` may ask for: who is asking, and in which format to answer."""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.errors import BadRequest
from app.routers.deps import AppSettings, Now, Session, get_caller, limit_address, web_cookie
from app.schemas.ogc.documents import Addresses, Format
from app.schemas.ogc.queries import once
from app.services import web_sessions
from app.services.access import KEY_PREFIX, Caller


@dataclass(frozen=True, slots=True)
class Asking:
    """A request: the format to answer in, the links to answer with, and its parameters but `f`."""

    shown: Format
    addresses: Addresses
    params: Sequence[tuple[str, str]]


_KINDS = {"text/html": Format.html, "application/xhtml+xml": Format.html}
_WEIGHT = re.compile(r"[01](\.\d{0,3})?\Z", re.ASCII)


async def get_asking(request: Request, settings: AppSettings) -> Asking:
    """By `?f=`, else by `Accept`; JSON for whoever is content with anything."""
    given = request.query_params.multi_items()
    formats = [value for name, value in given if name == "f"]
    if formats and (len(formats) > 1 or formats[0] not in list(Format)):
        raise BadRequest(f"参数 f 只能写一次，写成：{'、'.join(Format)}。")
    shown = Format(formats[0]) if formats else _accepted(request.headers.get("accept", ""))
    others = [(name, value) for name, value in given if name != "f"]
    return Asking(shown, Addresses(settings.public_url), others)


async def get_plain(asking: Annotated[Asking, Depends(get_asking)]) -> Asking:
    """A request that knows no parameter but `f`."""
    once(asking.params, ["f"])
    return asking


def _accepted(accept: str) -> Format:
    """The better liked of the two; JSON for whoever likes both, or neither, or anything."""
    liking = {Format.json: 0.0, Format.html: 0.0}
    for part in accept.split(","):
        kind, *params = (each.strip().lower() for each in part.split(";"))
        weight = next((each[2:] for each in params if each.startswith("q=")), "1")
        shown = _KINDS.get(kind, Format.json if kind.endswith("json") else None)
        if shown is not None and _WEIGHT.match(weight):
            liking[shown] = max(liking[shown], float(weight))
    return Format.html if liking[Format.html] > liking[Format.json] else Format.json


def _token(request: Request) -> str | None:
    """A bearer token; or a program's key as the password of Basic, which QGIS and GDAL know."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials
    if scheme.lower() == "basic":
        try:
            _, _, password = base64.b64decode(credentials).decode().partition(":")
        except (binascii.Error, ValueError):
            password = ""
        # People's tokens are for their phones: nobody types them into a program.
        return password if password.startswith(KEY_PREFIX) else KEY_PREFIX
    return None


async def get_map_reader(
    request: Request, session: Session, now: Now, settings: AppSettings
) -> Caller | None:
    """Whoever says who they are, by a token, a key or the dashboard's sign-in; else nobody.

    Raises `Unauthenticated` for a token or key that is none.
    """
    token, cookie = _token(request), web_cookie(request)
    if token is not None:
        return await get_caller(request, session, token, now, settings)
    signed = await web_sessions.find(session, cookie, now=now) if cookie else None
    if signed is None:
        await limit_address(request, now, settings)
        return None
    caller = Caller(person=signed.person)
    await request.state.limiter.take(caller.bucket, settings.rate_limit.per_person, now)
    return caller


Plain = Annotated[Asking, Depends(get_plain)]
Filtered = Annotated[Asking, Depends(get_asking)]
MapReader = Annotated[Caller | None, Depends(get_map_reader)]
