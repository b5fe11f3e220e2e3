"""A check-in as it comes in, through whichever door."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from app.models import Person, Source


@dataclass(frozen=True, slots=True)
class NewCheckIn:
    """What somebody says: "I was here". lon, lat are WGS-84, `raw_*` what came in `datum`."""

    id: UUID
    person: Person
    source: Source
    at: datetime
    received_at: datetime
    lon: float
    lat: float
    accuracy_m: float | None
    datum: str
    raw_lon: float
    raw_lat: float
    patrol_id: UUID | None = None
    stele_code: str | None = None
    stele_token: str | None = None
    note: str | None = None
    photos_expected: int | None = None
    device: str | None = None

    @property
    def digest(self) -> bytes:
        """Equal for equal content, whatever it was spelled like."""
        said = (
            self.at.timestamp(),
            self.raw_lon,
            self.raw_lat,
            self.accuracy_m,
            self.datum,
            str(self.patrol_id) if self.patrol_id else None,
            self.stele_code,
            self.stele_token,
            self.note or None,
            self.photos_expected,
            self.device or None,
        )
        return hashlib.sha256(orjson.dumps(said)).digest()
