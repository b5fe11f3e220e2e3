"""WeChat users: an openid at one of our two apps, bound to a person or not yet."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class App(StrEnum):
    """小程序 or 服务号."""

    mini_program = "mini_program"
    service_account = "service_account"


class WechatUser(Identified, Base):
    """One identity; a person has at most one in each app.

    After unsubscribe or revocation openid and unionid are erased (null) and the row stays as the
    anchor of what was recorded.
    """

    __tablename__ = "wechat_users"
    __table_args__ = (
        UniqueConstraint("app", "openid"),
        Index(
            "uq_wechat_users_person",
            "person_id",
            "app",
            unique=True,
            postgresql_where=text("person_id IS NOT NULL"),
        ),
    )

    app: Mapped[App]
    openid: Mapped[str | None]
    unionid: Mapped[str | None] = mapped_column(index=True)
    unionid_asked_at: Mapped[datetime | None]
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    bound_at: Mapped[datetime | None]
    subscribed: Mapped[bool] = mapped_column(default=False)
    last_message_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    erased_at: Mapped[datetime | None]
    failed_codes: Mapped[int] = mapped_column(default=0)
    failed_code_at: Mapped[datetime | None]
