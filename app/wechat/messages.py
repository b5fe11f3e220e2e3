"""What WeChat pushes, as small frozen values: checked, typed, and without WeChat's spelling."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict


class Pushed(BaseModel):
    """Common to all: who (`openid`), when (aware, UTC), and what makes it the same again."""

    model_config = ConfigDict(frozen=True)

    def __repr__(self) -> str:
        """The kind alone: whatever prints a message would print what somebody wrote."""
        return f"<{type(self).__name__}>"

    openid: str
    sent_at: datetime
    key: str


class Text(Pushed):
    """A text, stripped; may be empty."""

    content: str


class Image(Pushed):
    """A photo, to be fetched by its media id within three days."""

    media_id: str


class Voice(Pushed):
    """A voice message."""

    media_id: str


class Video(Pushed):
    """A video, long or short."""

    media_id: str


class Location(Pushed):
    """A point picked on WeChat's map: degrees, GCJ-02, of no known accuracy."""

    lon: float
    lat: float
    label: str
    datum: Literal["gcj02"] = "gcj02"


class Other(Pushed):
    """A message of a kind that is not used here (a link, a card); `kind` is WeChat's MsgType."""

    kind: str


class Subscribe(Pushed):
    """A new follower; `scene` when they came by a QR code of ours."""

    scene: str | None


class Unsubscribe(Pushed):
    """Follows no more; WeChat's rules then ask us to erase this identity."""


class Scan(Pushed):
    """A follower scanned a QR code of ours."""

    scene: str


class Click(Pushed):
    """A menu entry was tapped."""

    menu_key: str


class View(Pushed):
    """A menu link was opened, a page or a mini-program's."""

    target: str


class LocationEvent(Pushed):
    """Where the phone is, told on entering the chat: degrees, WGS-84, metres."""

    lon: float
    lat: float
    accuracy_m: float
    datum: Literal["wgs84"] = "wgs84"


class LocationSelect(Pushed):
    """The menu's map picker was used; a `Location` with the same point follows."""

    menu_key: str
    lon: float
    lat: float
    label: str
    datum: Literal["gcj02"] = "gcj02"


class PicPhoto(Pushed):
    """The menu's camera was used; `count` photos follow."""

    menu_key: str
    count: int


class ScanWait(Pushed):
    """The menu's scanner read `result` and WeChat waits for our answer."""

    menu_key: str
    result: str


class TemplateSent(Pushed):
    """What became of a template message: `success`, `failed:user block` and their like."""

    msg_id: str
    status: str


class SubscriptionItem(BaseModel):
    """One template in a subscription event; what an event does not carry is empty."""

    model_config = ConfigDict(frozen=True)

    template_id: str
    status: str = ""
    msg_id: str = ""
    error_code: str = ""
    error_status: str = ""


class SubscribePopup(Pushed):
    """What the user answered when asked for leave: accept or reject, by template."""

    items: tuple[SubscriptionItem, ...]


class SubscribeChange(Pushed):
    """What the user took back in WeChat's own settings."""

    items: tuple[SubscriptionItem, ...]


class SubscribeSent(Pushed):
    """What became of subscription messages; `error_code` "0" is success."""

    items: tuple[SubscriptionItem, ...]


class MediaCheck(Pushed):
    """The verdict on a picture; `suggest` None = WeChat could not check it."""

    trace_id: str
    suggest: Literal["pass", "review", "risky"] | None


class AuthorizationRevoked(Pushed):
    """The user took back the leave to use their data, or closed the account."""

    info: str


class OtherEvent(Pushed):
    """An event that is not used here."""

    event: str


Message: TypeAlias = (
    Text
    | Image
    | Voice
    | Video
    | Location
    | Other
    | Subscribe
    | Unsubscribe
    | Scan
    | Click
    | View
    | LocationEvent
    | LocationSelect
    | PicPhoto
    | ScanWait
    | TemplateSent
    | SubscribePopup
    | SubscribeChange
    | SubscribeSent
    | MediaCheck
    | AuthorizationRevoked
    | OtherEvent
)
