"""Letters: signed target responsibility agreements of enterprises."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Letter(Identified, Base):
    """目标责任书; `document` is the name of the file, `document_sha256` its bytes in the store."""

    __tablename__ = "letters"

    number: Mapped[str] = mapped_column(unique=True)
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    signed_on: Mapped[date]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    document: Mapped[str | None]
    document_sha256: Mapped[bytes | None]
    confirmed_at: Mapped[datetime | None]
    retired_on: Mapped[date | None]
