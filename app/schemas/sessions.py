"""Signing in: codes in, sessions out."""

from typing import Annotated

from pydantic import BaseModel, StringConstraints

from app.schemas.fields import Code, Instant, Name, Strict, Words
from app.schemas.people import Person
from app.services.logins import SignedIn

WechatCode = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")]
# As people write one; whoever decides will ring it.
Phone = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=30, pattern=r"^\+?[0-9][0-9 -]{5,28}$")
]


class NewSession(Strict):
    """What `wx.login` or `getPhoneNumber` gave."""

    code: WechatCode


class NewInvitationUse(Strict):
    """An invitation code as somebody typed it."""

    code: Code


class NewApplication(Strict):
    """Who somebody says they are."""

    name: Name
    phone: Phone | None = None
    organisation: Words | None = None


class Session(BaseModel):
    """What every session call answers; `person` is null until bound, and off the roster."""

    token: str
    expires_at: Instant
    person: Person | None

    @classmethod
    def of(cls, signed_in: SignedIn) -> "Session":
        """From a login."""
        person = None
        if signed_in.person is not None and signed_in.organisation is not None:
            person = Person.of(signed_in.person, signed_in.organisation)
        return cls(token=signed_in.token, expires_at=signed_in.expires_at, person=person)
