"""Send permits: WeChat's leave to send somebody one message of a template, or many."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class SendPermit(Identified, Base):
    """A ledger: one row an accept, from WeChat's signed event (`event_key` makes it count once).

    `standing`: of a long-term template, good for many sends until it is void. Others are used once.
    """

    __tablename__ = "send_permits"
    __table_args__ = (
        Index(
            "ix_send_permits_usable",
            "wechat_user_id",
            "template_id",
            postgresql_where=text("used_at IS NULL AND void_at IS NULL"),
        ),
        Index(None, "wechat_user_id"),
    )

    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"))
    template_id: Mapped[str]
    standing: Mapped[bool] = mapped_column(default=False)
    event_key: Mapped[str] = mapped_column(unique=True)
    granted_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    void_at: Mapped[datetime | None]
