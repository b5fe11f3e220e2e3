"""How a call to WeChat may end badly: again later, never again, or nobody knows."""

from datetime import timedelta
from enum import StrEnum

from app.errors import LoginCodeInvalid


class WeChatError(Exception):
    """A call that did not do what was asked; its text holds no secret and no person.

    `errcode` is WeChat's, 0 when there was none; `rid` is what WeChat's support asks for.
    """

    def __init__(self, path: str, errcode: int = 0, *, reason: str = "", rid: str = "") -> None:
        self.path = path
        self.errcode = errcode
        self.reason = reason
        self.rid = rid
        super().__init__(f"{path}: {' '.join(filter(None, (str(errcode or ''), reason)))}")


class TryAgain(WeChatError):
    """Not now; the same call may succeed `after` this long.

    `lost`: the answer never came, so the call may have had its effect all the same.
    """

    def __init__(
        self,
        path: str,
        errcode: int = 0,
        *,
        after: timedelta = timedelta(minutes=1),
        reason: str = "",
        rid: str = "",
        lost: bool = False,
    ) -> None:
        self.after = after
        self.lost = lost
        super().__init__(path, errcode, reason=reason, rid=rid)


class CircuitOpen(TryAgain):
    """The call is switched off for now; WeChat was not asked."""


class Fault(StrEnum):
    """Whose fault a refusal is, which says what to do next."""

    channel = "channel"
    """This person cannot be reached this way: mark it and take the next channel."""
    content = "content"
    """What we sent is malformed: keep it aside with the field's name, tell the operator once."""
    address = "address"
    """The openid belongs to another appid: a defect of ours."""
    gone = "gone"
    """What was asked for does not exist, or no longer."""
    unknown = "unknown"
    """A code that stands in no table."""


class Refused(WeChatError):
    """WeChat understood and said no; the same call will never succeed.

    `field` names the template field WeChat complained about, where it did.
    """

    def __init__(
        self, path: str, errcode: int, *, fault: Fault, field: str = "", rid: str = ""
    ) -> None:
        self.fault = fault
        self.field = field
        super().__init__(path, errcode, reason=" ".join(filter(None, (fault, field))), rid=rid)


class OutcomeUnknown(WeChatError):
    """The message may or may not have been sent; sending it again might send it twice."""


class CodeInvalid(LoginCodeInvalid):
    """A single-use code that WeChat does not know, or no longer (40029)."""


class CodeUsed(LoginCodeInvalid):
    """A single-use code that was redeemed before (40163), maybe by the same person's first tap."""
