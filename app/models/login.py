"""Logins: the sessions of api.md, known by the hash of their token."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Login(Identified, Base):
    """A bearer token's life. The token itself is never stored."""

    __tablename__ = "logins"

    token_hash: Mapped[bytes] = mapped_column(unique=True)
    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
