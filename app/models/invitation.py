"""Invitations: one-time codes that say who somebody is."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Invitation(Identified, Base):
    """A code of 8 digits for the chat or the mini-program, and a scene for a slip's QR code."""

    __tablename__ = "invitations"

    code_hash: Mapped[bytes] = mapped_column(unique=True)
    scene_hash: Mapped[bytes | None] = mapped_column(unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    created_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("wechat_users.id"), index=True)
    revoked_at: Mapped[datetime | None]
