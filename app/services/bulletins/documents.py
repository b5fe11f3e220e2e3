"""A bulletin as a Word or Excel document, by the office's own template or by ours."""

import asyncio
import hashlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import BulletinTemplate, DocumentKind, Organisation
from app.services.bulletins import wording

MEDIA_TYPES: Mapping[DocumentKind, str] = {
    DocumentKind.docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    DocumentKind.xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


async def template_of(
    session: AsyncSession, organisation: Organisation, kind: DocumentKind
) -> BulletinTemplate | None:
    """The organisation's own template in force, or that of the nearest one above; else none."""
    node: Organisation | None = organisation
    while node is not None:
        found = await session.scalar(
            select(BulletinTemplate).where(
                BulletinTemplate.organisation_id == node.id,
                BulletinTemplate.kind == kind,
                BulletinTemplate.replaced_at.is_(None),
            )
        )
        if found is not None:
            return found
        node = await session.get(Organisation, node.parent_id) if node.parent_id else None
    return None


async def written(
    session: AsyncSession,
    organisation: Organisation,
    content: Mapping[str, Any],
    kind: DocumentKind,
) -> bytes:
    """The bulletin laid out by the template in force, in a thread: it is a second of work."""
    template = await template_of(session, organisation, kind)
    return await asyncio.to_thread(lay_out, template.content if template else None, content, kind)


def lay_out(template: bytes | None, content: Mapping[str, Any], kind: DocumentKind) -> bytes:
    """The content in the template's form; None is the form that ships.

    Raises `BadTemplate` with a Chinese sentence.
    """
    laid_out: bytes = _form(kind).lay_out(template or default(kind), wording.words_of(content))
    return laid_out


def default(kind: DocumentKind) -> bytes:
    """The form that ships, to begin one's own with."""
    made: bytes = _form(kind).default()
    return made


def _form(kind: DocumentKind) -> ModuleType:
    """Who writes documents of this kind; each loads a library as heavy as the web framework."""
    if kind is DocumentKind.docx:
        from app.services.bulletins import layout  # noqa: PLC0415

        return layout
    from app.services.bulletins import spreadsheet  # noqa: PLC0415

    return spreadsheet


def sha256(content: bytes) -> bytes:
    """What a file is known by."""
    return hashlib.sha256(content).digest()
