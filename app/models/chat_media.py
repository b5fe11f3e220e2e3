"""Chat media: photos, videos and voice sent in the chat, from media id to kept bytes."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class MediaKind(StrEnum):
    """What WeChat says it is."""

    image = "image"
    voice = "voice"
    video = "video"


class MediaState(StrEnum):
    """Fetched within WeChat's three days, or given up and said so."""

    waiting = "waiting"
    fetched = "fetched"
    failed = "failed"


class ChatMedia(Identified, Base):
    """One media id. An image waits for its check-in up to ten minutes, and is kept either way."""

    __tablename__ = "chat_media"
    __table_args__ = (
        UniqueConstraint("wechat_user_id", "media_id"),
        Index("ix_chat_media_waiting", "received_at", postgresql_where=text("state = 'waiting'")),
    )

    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"))
    check_in_id: Mapped[UUID | None] = mapped_column(ForeignKey("check_ins.id"), index=True)
    kind: Mapped[MediaKind]
    media_id: Mapped[str]
    state: Mapped[MediaState] = mapped_column(default=MediaState.waiting)
    sent_at: Mapped[datetime]
    received_at: Mapped[datetime]
    fetched_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    fault: Mapped[str | None]
    sha256: Mapped[bytes | None] = mapped_column(index=True)
    photo_id: Mapped[UUID | None] = mapped_column(ForeignKey("photos.id"), index=True)
    asked_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
