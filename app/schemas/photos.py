"""Photos on the wire."""

from uuid import UUID

from pydantic import BaseModel, InstanceOf
from starlette.datastructures import UploadFile

from app.schemas.fields import Instant, Strict
from app.services.photos import Attached


class NewPhoto(Strict):
    """The parts of the form that a phone sends."""

    id: UUID
    taken_at: Instant | None = None
    file: InstanceOf[UploadFile]


class PhotoReceipt(BaseModel):
    """The photo is stored; its check-in has `received` of `expected` (null = not said)."""

    id: UUID
    sha256: str
    received: int
    expected: int | None

    @classmethod
    def of(cls, attached: Attached) -> "PhotoReceipt":
        """As the phone reads it."""
        return cls(
            id=attached.photo.id,
            sha256=attached.photo.sha256.hex(),
            received=attached.received,
            expected=attached.expected,
        )
