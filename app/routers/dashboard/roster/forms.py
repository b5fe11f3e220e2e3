"""Forms: a row as the texts of its fields, and back again, with nothing of what was typed lost."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from starlette.datastructures import FormData, QueryParams

from app import clock
from app.errors import XunheError
from app.models import Role, uuid7
from app.routers.dashboard.doors import Visit
from app.routers.dashboard.roster.descriptions import Description, Field
from app.services import choices
from app.services.choices import Choice
from app.services.dataset import values
from app.services.dataset.rows import Row
from app.services.dataset.values import Unreadable

Offered = Mapping[str, Sequence[Choice]]
Text = str | list[str]
_REASON = values.text(500)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_LONGEST = 2100


@dataclass
class Filled:
    """A form as somebody filled it in; `version` is that of the row when they opened it."""

    texts: dict[str, Text]
    reason: str = ""
    retired: bool = False
    version: str = ""
    key: str = ""
    state: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    """By field; what belongs to none of them is under the empty name."""
    theirs: dict[str, str] = field(default_factory=dict)
    """By field: what somebody else made of it meanwhile."""

    def blame(self, error: XunheError) -> None:
        """Put what is wrong beside its field."""
        raw = error.members.get("errors")
        for fault in raw if isinstance(raw, list) else ():
            name = str(fault["pointer"]).strip("/")
            where = name if name in self.texts or name == "reason" else ""
            before = self.faults.get(where)
            self.faults[where] = f"{before}；{fault['detail']}" if before else fault["detail"]
        if not self.faults:
            self.faults[""] = error.detail or error.title


def of_row(description: Description, row: Row, key: str, offered: Offered) -> Filled:
    """The form of a row as it stands."""
    texts = {each.name: _text(each, row.said[each.name], offered) for each in description.fields}
    return Filled(texts, retired=row.retired_on is not None, version=row.version, key=key)


def blank(description: Description, asked: QueryParams, offered: Offered, now: datetime) -> Filled:
    """The form of a new row, with what the address already says."""
    given = {**description.defaults, **asked}
    texts: dict[str, Text] = {
        each.name: [] if each.kind == "several" else _text(each, given.get(each.name), offered)
        for each in description.fields
    }
    if description.prefix:
        today = clock.day_of(now)
        texts["code"] = f"{description.prefix}{today:%y%m%d}-{secrets.token_hex(2).upper()}"
    return Filled(texts, key="" if description.key else str(uuid7()))


def read(
    description: Description, form: FormData, offered: Offered
) -> tuple[Filled, dict[str, Any]]:
    """What somebody typed, as it was, and what they meant by it."""
    texts: dict[str, Text] = {}
    said: dict[str, Any] = {}
    for each in description.fields:
        if each.kind == "several":
            ticked = [text for text in form.getlist(each.name) if isinstance(text, str)]
            texts[each.name] = said[each.name] = ticked[: len(each.options)]
            continue
        text = field_of(form, each.name)
        texts[each.name] = said[each.name] = text
        if each.choices:
            said[each.name] = choices.meant(text, offered[each.choices])
    filled = Filled(
        texts,
        field_of(form, "reason"),
        field_of(form, "retired") == "on",
        field_of(form, "version"),
        field_of(form, "key"),
        field_of(form, "state"),
    )
    if fault := reason_fault(filled.reason):
        filled.faults["reason"] = fault
    return filled, said


def field_of(form: FormData, name: str) -> str:
    """A text of the form, trimmed; files and what is far too long are nothing."""
    text = form.get(name)
    return text.strip()[:_LONGEST] if isinstance(text, str) else ""


def reason_fault(reason: str) -> str:
    """What is wrong with the reason of a change."""
    if not reason:
        return "请写明原因，会记入日志"
    try:
        _REASON(reason)
    except Unreadable as error:
        return str(error)
    return ""


def key_fault(text: str) -> str:
    """What is wrong with the code of a new row, before anybody is asked for it."""
    try:
        return "" if values.code(text) else "不能为空"
    except Unreadable as error:
        return str(error)


def options_of(each: Field, filled: Filled, visit: Visit) -> Mapping[str, str]:
    """What may be chosen; that somebody is an admin, admins alone may say."""
    if each.name == "role" and visit.person.role is not Role.admin:
        return {
            name: label
            for name, label in each.options.items()
            if name != "admin" or filled.texts["role"] == "admin"
        }
    return each.options


def input_type(each: Field, text: Text) -> str:
    """A day that is none is shown as it was typed, which a field for days would not."""
    if each.kind == "day":
        return "date" if not text or (isinstance(text, str) and _ISO.fullmatch(text)) else "text"
    return "tel" if each.kind == "tel" else "text"


def _text(each: Field, value: Any, offered: Offered) -> Text:
    if value is None:
        return [] if each.kind == "several" else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [str(part) for part in value]
    if each.choices:
        known = offered.get(each.choices, ())
        return next((one.text for one in known if one.code == value), str(value))
    return str(value)
