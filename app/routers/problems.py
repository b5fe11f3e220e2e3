"""Turning what went wrong into `application/problem+json`: every error answer is made here."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import psycopg
import sqlalchemy.exc
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.errors import (
    BadRequest,
    DatabaseUnavailable,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    TooSlow,
    Unauthenticated,
    Unexpected,
    XunheError,
)
from app.routers.dashboard.pages import is_page, refusal

log = structlog.get_logger(__name__)

_BY_STATUS: Mapping[int, type[XunheError]] = {
    400: BadRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    408: TooSlow,
    413: TooLarge,
}

_SENTENCES: Mapping[str, str] = {
    "missing": "必填项没有填写",
    "model_attributes_type": "内容要用 JSON 发送（Content-Type: application/json）",
    "json_invalid": "内容不是完整的 JSON",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "greater_than": "必须大于 {gt}",
    "less_than": "必须小于 {lt}",
    "string_too_short": "太短，至少 {min_length} 个字",
    "string_too_long": "太长，最多 {max_length} 个字",
    "too_long": "太多，最多 {max_length} 项",
    "too_short": "太少，至少 {min_length} 项",
    "enum": "只能是以下之一：{expected}",
    "literal_error": "只能是以下之一：{expected}",
    "finite_number": "必须是有限的数",
    "uuid_parsing": "编号格式不对（应为 UUID）",
    "uuid_type": "编号格式不对（应为 UUID）",
    "string_pattern_mismatch": "格式不对",
    "date_from_datetime_parsing": "日期要写成 2026-06-01 的格式",
    "date_parsing": "日期要写成 2026-06-01 的格式",
}


def pointer_of(location: Sequence[int | str]) -> str:
    """A JSON pointer (RFC 6901) into the body, or to the parameter's name."""
    parts = (
        location[1:]
        if location and location[0] in {"body", "query", "path", "header"}
        else location
    )
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def explain_fields(
    errors: Sequence[Any], within: Sequence[str] | None = None
) -> list[dict[str, str]]:
    """Pydantic's errors as `[{"pointer", "detail"}]`, in Chinese, without what was sent.

    `within` is where the validated value stands; FastAPI's own errors say so themselves.
    """
    return [
        {
            "pointer": pointer_of(
                # What pydantic says of broken JSON is the offset, not a field.
                ()
                if error["type"] == "json_invalid"
                else error["loc"]
                if within is None
                else ("body", *within, *error["loc"])
            ),
            "detail": _sentence(error),
        }
        for error in errors
    ]


def _sentence(error: Any) -> str:
    """What is wrong with one field; our own checks say it in Chinese themselves."""
    if error["type"] in {"instant", "text"}:
        return str(error["msg"])
    values = dict(error.get("ctx", {}))
    if "expected" in values:
        # Pydantic lists what may stand there in English.
        values["expected"] = values["expected"].replace(", ", "、").replace(" or ", "、")
    return _SENTENCES.get(error["type"], "格式不对").format(**values)


_IN_HEADERS = frozenset({"retry_after", "challenge"})


def body_of(error: XunheError) -> dict[str, object]:
    """The members of the problem document."""
    body: dict[str, object] = {
        "type": f"urn:xunhe:problem:{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
    }
    if error.detail:
        body["detail"] = error.detail
    return body | {name: value for name, value in error.members.items() if name not in _IN_HEADERS}


def answer(error: XunheError) -> Response:
    """The whole answer, `Retry-After` included where it helps."""
    headers = {}
    retry_after = error.members.get("retry_after", 5 if error.status == 503 else None)
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = str(error.members.get("challenge", "Bearer"))
    return Response(
        orjson.dumps(body_of(error)),
        status_code=error.status,
        media_type="application/problem+json",
        headers=headers,
    )


def _answer_to(request: Request, error: XunheError) -> Response:
    """As a problem document; to whoever looks at the dashboard, as a page."""
    return refusal(request, error) if is_page(request) else answer(error)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, XunheError)  # noqa: S101  registered for this class only
    return _answer_to(request, error)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return _answer_to(request, BadRequest("内容不是完整的 JSON。"))
    return _answer_to(request, Invalid(errors=explain_fields(error.errors())))


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    kind = _BY_STATUS.get(error.status_code, Unexpected if error.status_code >= 500 else BadRequest)
    response = _answer_to(request, kind())
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _of_database(request: Request, error: Exception) -> Response:
    log.warning("database does not answer", error=type(error).__name__)
    return _answer_to(request, DatabaseUnavailable())


async def _of_anything(request: Request, _error: Exception) -> Response:
    response = _answer_to(request, Unexpected())
    # This answer leaves outside of the middleware that names all others.
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if request_id is not None:
        response.headers["X-Request-Id"] = request_id
    return response


def install(app: FastAPI) -> None:
    """Have every failure of `app` answered here."""
    app.add_exception_handler(XunheError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    for kind in (
        sqlalchemy.exc.OperationalError,
        sqlalchemy.exc.InterfaceError,
        sqlalchemy.exc.TimeoutError,
        psycopg.OperationalError,
    ):
        app.add_exception_handler(kind, _of_database)
    app.add_exception_handler(Exception, _of_anything)
