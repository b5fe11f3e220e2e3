"""What WeChat answers to our calls, as far as we use it; secrets never show in a repr."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


OpenId = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,128}$")]
# WeChat leaves the member out, or empty, where the apps hang on no Open Platform account.
UnionId = Annotated[str | None, BeforeValidator(lambda value: value or None), Field(max_length=128)]


class CodeSession(_Answer):
    """Who a `wx.login` code stands for. The session_key is not even read."""

    openid: OpenId
    unionid: UnionId = None


class Watermark(_Answer):
    """For which app a telephone number was given."""

    appid: str


class PhoneInfo(_Answer):
    """A verified telephone number; the country code is a number or a text."""

    number: str = Field(alias="purePhoneNumber", pattern=r"^[0-9]{4,15}$")
    country_code: str = Field("86", alias="countryCode", pattern=r"^\+?[0-9]{1,4}$")
    watermark: Watermark


class Follower(_Answer):
    """`subscribe` 0 = follows us no more, and nothing else is known."""

    subscribe: bool
    openid: OpenId
    unionid: UnionId = None


class WebUser(_Answer):
    """Who came by web login; a snapshot user is a virtual account and must not be bound."""

    openid: OpenId
    unionid: UnionId = None
    is_snapshotuser: bool = False


class Media(_Answer):
    """Bytes somebody sent: hostile until proven otherwise, and of no proven type."""

    content: bytes = Field(repr=False)
    content_type: str


class Template(_Answer):
    """A message template of an account; `content` names its fields as `{{thing1.DATA}}`."""

    template_id: str = Field(alias="template_id")
    title: str = ""
    content: str = ""


def is_menu(value: Any) -> bool:
    """Whether `value` has the shape of a menu."""
    return isinstance(value, dict) and isinstance(value.get("button"), list)
