"""WeChat tokens: one access token (or ticket) per app, shared by all processes."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class WechatToken(Base):
    """The token in force; `kind` is access_token or a ticket's name."""

    __tablename__ = "wechat_tokens"

    app_id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    token: Mapped[str]
    expires_at: Mapped[datetime]
    refreshed_at: Mapped[datetime]


class WechatCircuit(Base):
    """A call that is switched off for now because WeChat refused it for a lasting reason."""

    __tablename__ = "wechat_circuits"

    app_id: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    errcode: Mapped[int]
    opened_at: Mapped[datetime]
    closes_at: Mapped[datetime]
