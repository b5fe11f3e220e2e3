"""API keys: read-only access for management's programs to one organisation's subtree."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class ApiKey(Identified, Base):
    """A key `xk_…`, shown once and stored as a hash; `prefix` tells keys apart in lists."""

    __tablename__ = "api_keys"

    key_hash: Mapped[bytes] = mapped_column(unique=True)
    prefix: Mapped[str]
    name: Mapped[str | None]
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
