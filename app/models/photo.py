"""Photos: an image's use on a record, and the image itself, kept once by its sha256."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base
from app.models.check_in import Source


class Image(Base):
    """The bytes of a photo as they came: `originals/<sha256>` in the store.

    `renditions_at` is set when large and small exist; `fault` says in Chinese why they cannot.
    `large_sha256` and `small_sha256` are of their bytes, null where they were made before these
    were kept.
    `perceptual_hash` is 64 bits, its four 16-bit bands are indexed: two hashes at most 3 bits apart
    share a band. It is null until made, and for dark or flat images.
    """

    __tablename__ = "images"
    __table_args__ = tuple(Index(None, f"band_{n}") for n in range(4))

    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    size: Mapped[int]
    content_type: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    taken_at: Mapped[datetime | None]
    perceptual_hash: Mapped[int | None] = mapped_column(BigInteger)
    band_0: Mapped[int | None] = mapped_column(SmallInteger)
    band_1: Mapped[int | None] = mapped_column(SmallInteger)
    band_2: Mapped[int | None] = mapped_column(SmallInteger)
    band_3: Mapped[int | None] = mapped_column(SmallInteger)
    received_at: Mapped[datetime]
    renditions_at: Mapped[datetime | None]
    large_sha256: Mapped[bytes | None]
    small_sha256: Mapped[bytes | None]
    fault: Mapped[str | None]


class Photo(Base):
    """An image on a check-in; `id` is the phone's (chat: ours)."""

    __tablename__ = "photos"
    __table_args__ = (UniqueConstraint("check_in_id", "sha256"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    check_in_id: Mapped[UUID] = mapped_column(ForeignKey("check_ins.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    sha256: Mapped[bytes] = mapped_column(ForeignKey("images.sha256"), index=True)
    source: Mapped[Source]
    taken_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(index=True)
