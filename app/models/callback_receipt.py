"""Callback receipts: what WeChat pushed, so that its retries have one effect and the same reply."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class CallbackReceipt(Base):
    """One message or event with the reply we gave; `key` is a digest that names no sender.

    `failures` counts the tries that ended in a fault of ours; 0 once it was answered. `content` is
    what such a push said, so that a message which made us fail every time is not lost.
    """

    __tablename__ = "callback_receipts"

    app: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime] = mapped_column(index=True)
    reply: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)
    content: Mapped[dict[str, Any] | None]


class CallbackNonce(Base):
    """A nonce seen in the last minutes, and the signature and body it came with."""

    __tablename__ = "callback_nonces"
    __table_args__ = (Index(None, "received_at"),)

    app: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[str] = mapped_column(primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    received_at: Mapped[datetime]
