"""The audit log: every change by staff, with before and after."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class AuditEntry(Identified, Base):
    """Who did what to what; `actor_id` null = the operator's shell or the system (see `via`)."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        # What managers edited since a file was written is asked by imports; few entries are edits.
        Index(
            "ix_audit_entries_edits",
            "at",
            postgresql_where=text("action IN ('create', 'edit')"),
        ),
    )

    at: Mapped[datetime] = mapped_column(index=True)
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    via: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
