"""Earlier versions: what rows that decide about duties said before they were changed."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class EarlierVersion(Base):
    """A row as it was until then; written by the database itself, whichever door changed the row.

    Kept whole for obligations, exemptions (without their reasons), pairings and posts; of
    organisations, people, reaches, grid cells, steles, letters and the rulebook only what decides
    about duties, of patrols only whether they were finished or withdrawn. So a report can be asked
    for as it was known at a moment.
    """

    __tablename__ = "earlier_versions"
    __table_args__ = (Index(None, "row_id", "superseded_at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    subject: Mapped[str]
    row_id: Mapped[UUID]
    content: Mapped[dict[str, Any]]
    superseded_at: Mapped[datetime]
