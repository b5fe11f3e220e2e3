"""Applications: "that's me", from somebody the roster does not know by their WeChat."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class ApplicationKind(StrEnum):
    """To be found on the roster, or to replace a bound WeChat."""

    binding = "binding"
    replacement = "replacement"


class ApplicationState(StrEnum):
    """Pending until a manager decides."""

    pending = "pending"
    joined = "joined"
    declined = "declined"


class Application(Identified, Base):
    """A WeChat user asks to be somebody; `person_id` is whom they are joined to, or claim to be."""

    __tablename__ = "applications"
    __table_args__ = (
        Index(
            "uq_applications_pending",
            "wechat_user_id",
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
    )

    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"), index=True)
    kind: Mapped[ApplicationKind]
    name: Mapped[str | None]
    phone: Mapped[str | None]
    organisation: Mapped[str | None]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    state: Mapped[ApplicationState] = mapped_column(default=ApplicationState.pending)
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    reason: Mapped[str | None]
