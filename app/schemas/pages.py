"""Lists: a page of items and the cursor of the next one."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel

from app.errors import BadRequest

Found = TypeVar("Found")
Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """`next` is null on the last page, else what to pass as `?cursor=`."""

    items: Sequence[Item]
    next: str | None


def page_of(
    found: Sequence[Found],
    limit: int,
    show: Callable[[Found], Item],
    place: Callable[[Found], tuple[datetime, UUID]],
) -> "Page[Item]":
    """The first `limit` of what was found, asked for with one more than that; `place` orders it."""
    more = len(found) > limit
    return Page(
        items=[show(each) for each in found[:limit]],
        next=cursor_of(*place(found[limit - 1])) if more else None,
    )


def document_of(
    found: Sequence[Found],
    limit: int,
    show: Callable[[Found], Mapping[str, Any]],
    place: Callable[[Found], tuple[datetime, UUID]],
) -> bytes:
    """As `page_of`, in JSON: for long lists, whose items are not made models of one by one."""
    more = len(found) > limit
    return orjson.dumps(
        {
            "items": [show(each) for each in found[:limit]],
            "next": cursor_of(*place(found[limit - 1])) if more else None,
        }
    )


def page_by_id(
    found: Sequence[Found],
    limit: int,
    show: Callable[[Found], Item],
    place: Callable[[Found], UUID],
) -> "Page[Item]":
    """As `page_of`, of rows whose ids are ours and so are in the order of their making."""
    more = len(found) > limit
    return Page(
        items=[show(each) for each in found[:limit]],
        next=id_cursor_of(place(found[limit - 1])) if more else None,
    )


def id_cursor_of(id_: UUID) -> str:
    """The place of a row in a list that is ordered by id."""
    return base64.urlsafe_b64encode(orjson.dumps(str(id_))).decode()


def read_id_cursor(cursor: str | None) -> UUID | None:
    """Where `id_cursor_of` was; raises `BadRequest` for anything that it did not make."""
    if cursor is None:
        return None
    try:
        return UUID(orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii"))))
    except (binascii.Error, UnicodeError, ValueError, TypeError, AttributeError):
        raise BadRequest("翻页标记无效，请从第一页重新查看。") from None


def cursor_of(at: datetime, id_: UUID) -> str:
    """The place of a row in a list that is ordered by instant and id."""
    return base64.urlsafe_b64encode(orjson.dumps([at.isoformat(), str(id_)])).decode()


def read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Where `cursor_of` was; raises `BadRequest` for anything that it did not make."""
    if cursor is None:
        return None
    try:
        at, id_ = orjson.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        place = datetime.fromisoformat(at), UUID(id_)
    except (binascii.Error, UnicodeError, ValueError, TypeError, AttributeError):
        raise BadRequest("翻页标记无效，请从第一页重新查看。") from None
    # Far enough from the edges of the calendar for every time zone.
    if place[0].tzinfo is None or not 1000 <= place[0].year <= 9000:
        raise BadRequest("翻页标记无效，请从第一页重新查看。")
    return place
