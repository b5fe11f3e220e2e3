"""Consents: whether somebody agreed that positions, or tracks, are used."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class NoticeKind(StrEnum):
    """Which of the two notices."""

    position = "position"
    track = "track"


class Consent(Identified, Base):
    """A fact: yes or no to one version of a notice; the latest one of a person counts.

    Whoever answers before being bound answers as a WeChat user; binding carries it over.
    """

    __tablename__ = "consents"
    __table_args__ = (
        CheckConstraint("num_nonnulls(person_id, wechat_user_id) >= 1", name="somebody"),
    )

    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    wechat_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("wechat_users.id"), index=True)
    notice: Mapped[NoticeKind]
    version: Mapped[int]
    agreed: Mapped[bool]
    recorded_at: Mapped[datetime]
