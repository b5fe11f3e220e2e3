"""Subscriptions: what people answered when the mini-program asked to be allowed to remind them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified


class Subscription(Identified, Base):
    """One answer as the phone told it: a hint, the signed event is what counts."""

    __tablename__ = "subscriptions"

    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"), index=True)
    template_id: Mapped[str]
    result: Mapped[str]
    recorded_at: Mapped[datetime]
