"""What `wx.requestSubscribeMessage` answered."""

from enum import StrEnum

from pydantic import BaseModel

from app.schemas.fields import Code, Instant, Strict


class SubscriptionResult(StrEnum):
    """WeChat's own words."""

    accept = "accept"
    reject = "reject"
    ban = "ban"
    filter = "filter"
    accept_with_audio = "acceptWithAudio"
    accept_with_alert = "acceptWithAlert"


class NewSubscription(Strict):
    """One template and what was tapped."""

    template_id: Code
    result: SubscriptionResult


class Subscription(BaseModel):
    """The answer as kept; WeChat's own event is what counts."""

    template_id: str
    result: SubscriptionResult
    at: Instant
