"""Bulletin files: the documents that offices lay bulletins out with, and final ones as written."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class DocumentKind(StrEnum):
    """Word or Excel."""

    docx = "docx"
    xlsx = "xlsx"


class BulletinFile(Base):
    """A final bulletin as a document; the same bytes for whoever asks, whenever."""

    __tablename__ = "bulletin_files"

    bulletin_id: Mapped[UUID] = mapped_column(ForeignKey("bulletins.id"), primary_key=True)
    kind: Mapped[DocumentKind] = mapped_column(primary_key=True)
    content: Mapped[bytes]
    sha256: Mapped[bytes]


class BulletinTemplate(Identified, Base):
    """An office's own template; the one in force is the one that was not replaced."""

    __tablename__ = "bulletin_templates"
    __table_args__ = (
        Index(
            "uq_bulletin_templates_in_force",
            "organisation_id",
            "kind",
            unique=True,
            postgresql_where=text("replaced_at IS NULL"),
        ),
    )

    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    kind: Mapped[DocumentKind]
    name: Mapped[str]
    content: Mapped[bytes]
    uploaded_at: Mapped[datetime]
    uploaded_by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    replaced_at: Mapped[datetime | None]
