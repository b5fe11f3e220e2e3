"""Send leases: who is being sent something just now, so that nobody else sends to them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class SendLease(Base):
    """One WeChat user who is sent one message; WeChat refuses two at once (43108).

    A row and no lock: a lock would keep a connection for as long as WeChat takes. `holder` is
    whoever took it; if they die it is free again `until` then.
    """

    __tablename__ = "send_leases"

    wechat_user_id: Mapped[UUID] = mapped_column(ForeignKey("wechat_users.id"), primary_key=True)
    holder: Mapped[UUID]
    until: Mapped[datetime]
