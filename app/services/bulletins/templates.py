"""Templates of an office: taken in after a trial, kept, exchanged."""

import asyncio
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zipfile import BadZipFile, ZipFile

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Forbidden, Invalid, NotFound
from app.models import BulletinTemplate, DocumentKind, Organisation
from app.services import access, audit
from app.services.access import Caller
from app.services.bulletins import documents
from app.services.bulletins.faults import BadTemplate

# The door lets bodies of a mebibyte pass.
MOST_BYTES = 900 << 10
_MOST_UNPACKED = 40 << 20
_MOST_PARTS = 1000
_WITHIN_S = 20

# What a template is tried with: every placeholder, one row of each table.
_EXAMPLE: Mapping[str, Any] = {
    "state": "draft",
    "title": "示例单位2026年6月巡河月通报",
    "period": "2026-06",
    "organisation": {"code": "GWH", "name": "示例单位"},
    "from": "2026-06-01",
    "to": "2026-06-30",
    "as_of": "2026-06-30",
    "known_at": "2026-07-08T09:00:00+08:00",
    "opening": "现通报如下。",
    "closing": "请及时补齐。",
    "definitions": [{"report": "patrol-progress", "version": 1, "text": "示例口径。"}],
    "units": [
        {
            "code": "D01",
            "name": "示例部门",
            "holders": 3,
            "owed": 6,
            "done": 5,
            "met": 5,
            "missing": 1,
            "rate": 5 / 6,
            "change_previous": 0.1,
            "change_year_ago": None,
            "remark": "补齐中",
        }
    ],
    "totals": {
        "holders": 3,
        "owed": 6,
        "done": 5,
        "met": 5,
        "missing": 1,
        "rate": 5 / 6,
        "change_previous": 0.1,
        "change_year_ago": None,
    },
    "short": [{"code": "D01", "name": "示例部门", "missing": 1}],
    "coverage": {
        "cells": 2,
        "visited": 1,
        "cold": 1,
        "rate": 0.5,
        "cold_cells": [{"code": "G-1", "name": "示例网格"}],
    },
    "corrections": [
        {
            "period": "2026-05",
            "code": "D01",
            "name": "示例部门",
            "figure": "done",
            "figure_name": "已巡",
            "said": 4,
            "now": 5,
        }
    ],
}


async def keep(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    name: str,
    content: bytes,
    *,
    now: datetime,
) -> BulletinTemplate:
    """Take a template into use from now on; its name says which kind it is.

    Raises `Invalid` with what is wrong with it, `Forbidden` for who does not manage the office.
    """
    person = await _require_manager(session, caller, organisation)
    kind = _kind_of(name)
    if kind is None:
        raise _fault("模板应是 .docx 或 .xlsx 文件。")
    if len(content) > MOST_BYTES:
        raise _fault("模板不能超过900KB。")
    _require_modest(content)
    try:
        async with asyncio.timeout(_WITHIN_S):
            await asyncio.to_thread(documents.lay_out, content, _EXAMPLE, kind)
    except BadTemplate as error:
        raise _fault(str(error)) from None
    except TimeoutError:
        raise _fault("模板太复杂，填写用时过长。") from None
    await _replace(session, organisation, kind, now)
    template = BulletinTemplate(
        organisation_id=organisation.id,
        kind=kind,
        name=name[-100:],
        content=content,
        uploaded_at=now,
        uploaded_by_id=person.id,
    )
    session.add(template)
    await audit.record(
        session, person, "create", f"bulletin_template:{organisation.code}/{kind}", via="web",
        after={"name": template.name, "sha256": documents.sha256(content).hex()}, now=now,
    )  # fmt: skip
    return template


async def drop(
    session: AsyncSession,
    caller: Caller,
    organisation: Organisation,
    kind: DocumentKind,
    *,
    now: datetime,
) -> None:
    """Go back to the template of the office above, or to ours. Raises `NotFound`, `Forbidden`."""
    person = await _require_manager(session, caller, organisation)
    if not await _replace(session, organisation, kind, now):
        raise NotFound("没有自己的模板。")
    await audit.record(
        session, person, "retire", f"bulletin_template:{organisation.code}/{kind}", via="web",
        now=now,
    )  # fmt: skip


async def _replace(
    session: AsyncSession, organisation: Organisation, kind: DocumentKind, now: datetime
) -> bool:
    replaced = await session.execute(
        update(BulletinTemplate)
        .where(
            BulletinTemplate.organisation_id == organisation.id,
            BulletinTemplate.kind == kind,
            BulletinTemplate.replaced_at.is_(None),
        )
        .values(replaced_at=now)
        .returning(BulletinTemplate.id)
    )
    return bool(replaced.all())


async def _require_manager(
    session: AsyncSession, caller: Caller, organisation: Organisation
) -> Any:
    person = access.person_of(caller)
    if not caller.is_manager or not await access.manages(session, caller, organisation.id):
        raise Forbidden
    return person


def _kind_of(name: str) -> DocumentKind | None:
    for kind in DocumentKind:
        if name.lower().endswith(f".{kind}"):
            return kind
    return None


def _require_modest(content: bytes) -> None:
    """Nothing that unpacks to more than an office writes, and nothing that runs."""
    try:
        with ZipFile(io.BytesIO(content)) as packed:
            parts = packed.infolist()
    except (BadZipFile, ValueError, OSError):
        raise _fault("文件打不开，请用 Word 或 Excel 另存后再上传。") from None
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_UNPACKED:
        raise _fault("模板里的内容太多，请去掉图片等大的部分。")
    if any("vbaproject" in part.filename.lower() for part in parts):
        raise _fault("模板不能带宏。")


def _fault(sentence: str) -> Invalid:
    return Invalid(sentence, errors=[{"pointer": "/file", "detail": sentence}])
