"""Everything that may rightly go wrong, on one page.

Raise one anywhere below the routers; `main` turns it into `application/problem+json`
(RFC 9457) with `type` = `urn:xunhe:problem:<code>`, the class's Chinese `title`, and whatever
`detail` and further members the raiser gave. The codes are part of the contract: the mini-program
switches on them. `docs/errors.md` is generated from this page.
"""

from typing import ClassVar


class XunheError(Exception):
    """Something the caller can understand and act on."""

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str | None = None, **members: object) -> None:
        self.detail = detail
        self.members = members
        super().__init__(detail or self.title)


# -- what was asked is malformed -------------------------------------------------------------


class BadRequest(XunheError):
    """The request cannot be read at all (broken JSON, a bad cursor, a bad header)."""

    status, code, title = 400, "bad-request", "请求内容无法识别，请更新小程序后再试。"


class Invalid(XunheError):
    """The request can be read, but a field is out of bounds; `errors` says which."""

    status, code, title = 422, "invalid", "填写的内容有误，请检查后再提交。"


class FinishedBeforeStart(XunheError):
    """A patrol cannot end before it began."""

    status, code, title = 422, "finished-before-start", "结束时间早于开始时间，请检查手机时间。"


class UnknownCode(XunheError):
    """A code in the request (a person, reach, stele, organisation) names nothing we know."""

    status, code, title = 422, "unknown-code", "所填的编码查不到，请核对后再提交。"


class PhotoUnreadable(XunheError):
    """The bytes are not a whole JPEG, PNG, WebP or HEIC of at most 100 megapixels."""

    status, code, title = 422, "photo-unreadable", "照片打不开或没有传完整，请重新拍一张或重传。"


class TooLarge(XunheError):
    """A body over its limit (JSON 1 MiB, photo 20 MiB, callback 64 KiB)."""

    status, code, title = (
        413,
        "too-large",
        "上传的内容太大了：照片请不超过20MB，其他内容不超过1MB。",
    )


class TooSlow(XunheError):
    """A body that stopped coming: silent for a minute, or not whole after a quarter of an hour."""

    status, code, title = 408, "too-slow", "网络太慢，内容没有传完整，请再试一次。"


# -- who is asking ---------------------------------------------------------------------------


class Unauthenticated(XunheError):
    """No token, or one that is unknown, expired or ended."""

    status, code, title = 401, "unauthenticated", "请先登录。"


class Forbidden(XunheError):
    """The caller is known and may not do this."""

    status, code, title = 403, "forbidden", "您没有权限进行这项操作。"


class NotBound(XunheError):
    """A WeChat user whom no person on the roster has claimed yet."""

    status, code, title = 403, "not-bound", "您的微信还没有绑定到巡河人员，请先绑定。"


class ConsentNeeded(XunheError):
    """Positions (or tracks) are not read before the person agreed; members name notice and text."""

    status, code, title = 403, "consent-needed", "请先阅读并同意位置信息使用说明。"


class RiskControl(XunheError):
    """WeChat itself blocks this user's sign-in (errcode 40226)."""

    status, code, title = (
        403,
        "risk-control",
        "微信提示该账号存在风险，暂时不能登录，请联系管理员。",
    )


class NotOnRoster(XunheError):
    """Nobody on the roster has this phone."""

    status, code, title = 404, "not-on-roster", "名册里没有这个手机号，请联系管理员，或提交申请。"


class InvitationUnknown(XunheError):
    """No such invitation code, or it has expired."""

    status, code, title = 404, "invitation-unknown", "邀请码不对或已过期，请核对后再输入。"


class InvitationUsed(XunheError):
    """A one-time invitation code that was already used."""

    status, code, title = 410, "invitation-used", "这个邀请码已经用过了，请向管理员要新的。"


class IdentityTaken(XunheError):
    """The person already has another WeChat here; replacing it waits for a manager's yes."""

    status, code, title = (
        409,
        "identity-taken",
        "该人员已绑定其他微信，已提交更换申请，请等管理员同意。",
    )


class AlreadyBound(XunheError):
    """The WeChat user is bound to somebody else."""

    status, code, title = 409, "already-bound", "这个微信已绑定到另一位人员，如需更换请联系管理员。"


class LoginCodeInvalid(XunheError):
    """The code from wx.login or getPhoneNumber is wrong, expired or used up."""

    status, code, title = 401, "login-code-invalid", "登录凭证已失效，请重新进入小程序再试。"


# -- what it is about ------------------------------------------------------------------------


class NotFound(XunheError):
    """The thing asked for does not exist, or the asker may not know that it does."""

    status, code, title = 404, "not-found", "没有找到您要的内容。"


class MethodNotAllowed(XunheError):
    """The path exists, the method does not."""

    status, code, title = 405, "method-not-allowed", "不支持这种访问方式。"


class NotReady(XunheError):
    """A rendition that is still being made; ask again after `Retry-After`."""

    status, code, title = 404, "not-ready", "图片正在处理，请稍后再看。"


class Conflict(XunheError):
    """An id that already stands for something else."""

    status, code, title = 409, "conflict", "这条记录与已保存的内容不一致，没有覆盖。"


class WrongState(XunheError):
    """The record is no longer in the state in which this may be done."""

    status, code, title = 409, "wrong-state", "这条记录当前的状态不能这样操作，请刷新后再试。"


class StaleVersion(XunheError):
    """If-Match names a version that is no longer the current one."""

    status, code, title = 412, "stale-version", "记录已被更新，请刷新后再修改。"


class MadeByPairings(XunheError):
    """An obligation that follows the pairings of a department; change those instead."""

    status, code, title = (
        409,
        "made-by-pairings",
        "这项任务由挂钩联系自动产生，不能直接修改，请改挂钩联系。",
    )


class PhotoMissing(XunheError):
    """A late entry is accepted only with a photo of the paper."""

    status, code, title = 409, "photo-missing", "还没有上传纸质记录的照片，请先上传。"


class TooLate(XunheError):
    """The time for this is over (a decline after 7 days, a withdrawal after 1 hour)."""

    status, code, title = 409, "too-late", "已经超过可以操作的时间，请联系管理员处理。"


# -- not now ---------------------------------------------------------------------------------


class TooManyRequests(XunheError):
    """A token bucket is empty; `Retry-After` says for how long."""

    status, code, title = 429, "too-many-requests", "操作太频繁了，请稍等一会儿再试。"


class Busy(XunheError):
    """A bounded queue is full; nothing was taken, ask again after `Retry-After`."""

    status, code, title = 503, "busy", "现在使用的人太多，请稍后再试，手机里的记录不会丢。"


class WeChatUnavailable(XunheError):
    """WeChat cannot be reached or does not make sense just now."""

    status, code, title = 503, "wechat-unavailable", "微信服务暂时连不上，请稍后再试。"


class DatabaseUnavailable(XunheError):
    """The database does not answer."""

    status, code, title = (
        503,
        "database-unavailable",
        "系统正在恢复，请稍后再试，手机里的记录不会丢。",
    )


class StorageUnavailable(XunheError):
    """The photo store does not take or give bytes (disk full, bucket gone)."""

    status, code, title = (
        503,
        "storage-unavailable",
        "照片暂时存不进去，请稍后再传，手机里的照片不要删。",
    )


class NoRoom(XunheError):
    """The server's disk has no room for the file that was to be made."""

    status, code, title = 507, "no-room", "服务器磁盘空间不够，文件没有做成，请联系管理员。"


class Unexpected(XunheError):
    """A fault of ours; the log has it under the request id."""

    status, code, title = 500, "unexpected", "系统出了点问题，我们会尽快处理，请稍后再试。"


# -- at the operator's shell -----------------------------------------------------------------


class CommandFailed(Exception):
    """What a command could not do: one line for the operator, exit code 1."""
