"""Web sessions: a manager signed in to the dashboard, known by the hash of a cookie."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class WebSession(Identified, Base):
    """A sign-in to the dashboard, until it expires, is idle for too long or is ended.

    `via` is how it came about: `scan` of a QR code with WeChat, or `link` from the shell.
    """

    __tablename__ = "web_sessions"

    token_hash: Mapped[bytes] = mapped_column(unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    via: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
