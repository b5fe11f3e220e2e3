"""Everything the chat says, on one page: short plain Chinese, never over 100 characters."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.clock import LAKE

MOST = 100
VERDICTS: Mapping[str, str] = {"accepted": "有效", "flagged": "待核", "rejected": "无效"}


def fit(text: str) -> str:
    """The text, cut at a hundred characters should a name or a detail have been very long."""
    return cut(text, MOST)


def cut(text: str, most: int) -> str:
    """At most so many characters, an ellipsis for the rest, and no number cut in two."""
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    if text[most - 1].isdigit():
        kept = kept.rstrip("0123456789/")
    return kept + "…"


def first_that_fits(wordings: Iterable[str]) -> str:
    """The first of several wordings that is short enough for the chat; the last one cut."""
    said = ""
    for said in wordings:
        if len(said) <= MOST:
            return said
    return fit(said)


def short(name: str, most: int = 12) -> str:
    """A name that leaves room for the rest."""
    return name if len(name) <= most else name[: most - 1] + "…"


def moment(at: datetime) -> str:
    """`6月1日10:05`, at the lake."""
    there = at.astimezone(LAKE)
    return f"{there.month}月{there.day}日{there:%H:%M}"


def metres(distance: float) -> str:
    """`35米`, `1.2公里`."""
    return f"{distance:.0f}米" if distance < 1000 else f"{distance / 1000:.1f}公里"


# -- help ------------------------------------------------------------------------------------

HELP = (
    "先点“+”发位置，再发照片，就记好了。界碑旁先扫碑上的码。"
    "可回复：进度、我的记录、同行 姓名、无照片 原因、取消。"
)
HOW_TO_RECORD = "请点右下角“+”，选“位置”发送，再拍照片发来，就记好了。"
HOW_TO_PHOTO = "请点右下角“+”，选“拍摄”，把照片发来。"
HOW_TO_SCAN = "请点菜单“巡河”里的“扫界碑”，对准碑上的二维码。"
CHOICES = "没看懂。请回复数字：\n1 记录巡河\n2 我的进度\n3 帮助"
WELCOME = "欢迎。发位置，再发照片，就记好一次巡河。要看怎么用，请回复“帮助”。"
ALL_RIGHT = "好的。"


def later(what: str, phone: str) -> str:
    """A part of the service that is still to come."""
    where = f"有事请打办公室电话{phone}。" if phone else "有事请先联系您的管理员。"
    return fit(f"{what}功能正在准备，稍后开放。{where}")


# -- who is it -------------------------------------------------------------------------------

_HOW_TO_BIND = "请回复8位邀请码；没有的，回复“绑定 姓名 手机号”。"
UNBOUND = f"您好，还不知道您是谁。{_HOW_TO_BIND}之后就能记录巡河了。"
UNBOUND_HELP = f"{_HOW_TO_BIND}绑定后发位置，再发照片，就记好一次巡河。绑定前发来的先替您保存7天。"
ASK_NAME = "请回复您的姓名和手机号，例如：绑定 示例甲 19900000001"
APPLIED = "申请已提交，管理员核对后会通知您。这之前发来的位置和照片，我们替您保存7天。"
NOT_YOU = "好的，没有绑定。请用您自己的邀请单，或联系管理员。"
IDENTITY_TAKEN = "您已绑定过另一个微信。更换申请已提交，管理员同意后会通知您。"
NOBODY_ASKED = "没有需要您确认的事。要看怎么用，请回复“帮助”。"


def are_you(name: str, organisation: str) -> str:
    """The question of a scanned slip."""
    return fit(
        f"您是{short(name)}（{short(organisation, 30)}）吗？回复“是”就绑定；不是请回复“否”。"
    )


def bound(name: str, organisation: str, consented: bool) -> str:
    """After binding, with the notice when it was not answered yet."""
    hello = f"绑定成功，您是{short(name, 10)}（{short(organisation, 16)}）。"
    return fit(hello + (HOW_TO_RECORD if consented else "位置只用于记录巡河，同意请回复“同意”。"))


def bound_and(counted: str) -> str:
    """After binding, with what became of what had been kept."""
    return fit(f"绑定成功。{counted}")


def already_bound(name: str) -> str:
    """The same binding again."""
    return fit(f"您已经绑定，是{short(name)}，不用再绑。")


# -- signing in to the management pages ------------------------------------------------------

SIGN_IN_UNBOUND = f"这是登录管理页面的码，还不知道您是谁。{_HOW_TO_BIND}"
SIGN_IN_MEMBER = "这是管理人员登录电脑页面用的码，您不需要。您的巡河在这里就能记录和查看。"
SIGN_IN_NUMBER = "请发送电脑上显示的4位数字；不是您本人在登录，请回复“否”。"
SIGN_IN_WRONG = "数字不对，请看着电脑屏幕再发一次；不是您本人在登录，请回复“否”。"
SIGN_IN_OVER = "这个登录码已失效，请在电脑上换一个二维码再扫。"
SIGN_IN_REFUSED = "好的，没有登录。别人发来的登录码请不要扫。"
SIGNED_IN = "已登录，请看电脑。不用时请在页面上点“退出”。"


def sign_in(site: str, address: str) -> str:
    """The question of a scanned code: is it you, before which browser."""
    asks = "是您本人，请发送电脑上显示的4位数字；不是请回复“否”。"
    return first_that_fits(
        (
            f"有电脑（{address}）要用您的身份登录管理页面 {site}。{asks}",
            f"有电脑（{address}）要用您的身份登录管理页面。{asks}",
            f"有电脑要用您的身份登录管理页面。{asks}",
        )
    )


# -- consent ---------------------------------------------------------------------------------

NOTICE = (
    "位置已收到，先不读取。位置只用于记录巡河，您本人和管理人员可看，可随时撤回。"
    "计入请回复“同意”，不愿意请回复“不同意”。"
)
AGREED = f"好的，已记下您的同意。{HOW_TO_RECORD}"
AGREED_UNBOUND = f"好的，已记下您的同意。{_HOW_TO_BIND}"
DISAGREED = "好的，先前发来的位置已删除，以后也不读取。进度和消息照常可看。改主意时请回复“同意”。"
TAKEN_BACK = "已撤回，以后不再读取您的位置。以前的巡河记录保留。改主意时请回复“同意”。"
TRACK_TAKEN_BACK = "已撤回，以后不再记录您的巡河轨迹。位置和照片照常记录。"
REFUSED_POSITION = (
    "您没有同意使用位置，这个位置没有保存。要记录巡河，请先回复“同意”，再发一次位置。"
)


# -- kept until we may -----------------------------------------------------------------------

HELD_POSITION = f"位置收到了，先替您保存7天，绑定后自动计入。{_HOW_TO_BIND}"
HELD_PHOTO = f"照片收到了，先替您保存7天，绑定后自动计入。{_HOW_TO_BIND}"
HELD_MEDIA = f"收到了，先替您保存7天，绑定后放在您的记录旁。{_HOW_TO_BIND}"
HELD_PHOTO_CONSENT = "照片收到了，先替您保存7天。回复“同意”使用位置后，才能计入巡河记录。"
HELD_FULL = f"先前发来的已经很多，这一条没有保存。{_HOW_TO_BIND}"


def released(counts: Mapping[str, int], photos: int, lost: int) -> str:
    """What became of everything that had been kept, by verdict."""
    parts = [f"{VERDICTS[verdict]}{n}条" for verdict, n in counts.items() if n]
    positions = f"{sum(counts.values())}个位置（{'，'.join(parts)}）" if parts else ""
    pictures = f"{photos}张照片" if photos else ""
    what = "、".join(part for part in (positions, pictures) if part)
    rest = f"有{lost}条没能计入，请联系管理员。" if lost else ""
    return fit(f"您之前发来的{what}已计入巡河记录。{rest}回复“我的记录”可查看。")


# -- a location ------------------------------------------------------------------------------

_HEADS: Mapping[str, str] = {
    "accepted": "已记录",
    "flagged": "已收到，先记为待核，管理员核对后计入",
    "rejected": "已收到，但界碑的码不对，先不计入，由人工核对",
}
_SHORT_HEADS: Mapping[str, str] = {**_HEADS, "flagged": "已收到，先记为待核"}
_ASK_PHOTO = "请再发照片；没有照片请回复“无照片 原因”。"
_ASK_PHOTO_SHORTLY = "请再发照片。"


def where(place: Mapping[str, Any], nearest: tuple[str, float] | None = None) -> str:
    """Cell, reach and stele of a place; `nearest` stands in where the place shows no stele."""
    cell, reach, stele = place.get("grid_cell"), place.get("reach"), place.get("stele")
    names = [short(each["name"]) for each in (cell, reach) if each]
    beside = (stele["name"], stele["distance_m"]) if stele else nearest
    if beside:
        names.append(f"距{short(beside[0], 16)}{metres(beside[1])}")
    if cell is None:
        names.insert(0, "不在已划的网格内")
    return "，".join(names)


def recorded(
    verdict: str,
    place: Mapping[str, Any],
    nearest: tuple[str, float] | None,
    photos: int,
    counts: Sequence[str] = (),
    *,
    asks: bool = True,
) -> str:
    """A location became a check-in.

    `counts` says what it counts for, from the fullest wording to the shortest; `asks`: a photo is
    still to be asked for, unless `counts` does.
    """
    there = where(place, nearest)
    asked = _ASK_PHOTO if asks else ""
    tail = f"照片{photos}张已附上。" if photos else asked
    if not counts:
        return fit(f"{_HEADS[verdict]}：{there}。{tail}")
    head, shortly = _SHORT_HEADS[verdict], tail if photos else tail and _ASK_PHOTO_SHORTLY
    return first_that_fits(
        [
            *(f"{head}：{there}。{said}{end}" for said in counts for end in (tail, shortly)),
            *(f"{head}：{place_name(place)}。{said}{shortly}" for said in counts),
            f"{head}。{counts[-1]}",
        ]
    )


def place_name(place: Mapping[str, Any]) -> str:
    """One name for the place: stele, cell or reach."""
    for kind in ("stele", "grid_cell", "reach"):
        if place.get(kind):
            return short(str(place[kind]["name"]), 16)
    return "网格外"


# -- a photo ---------------------------------------------------------------------------------

_COUNTS: Mapping[str, str] = {
    "accepted": "这次巡河已计入。",
    "flagged": "这次巡河待人工核对。",
    "rejected": "这次巡河由人工核对。",
}


def photo_joined(
    at: datetime,
    place: Mapping[str, Any],
    verdict: str,
    received: int,
    expected: int | None,
    counts: Sequence[str] = (),
) -> str:
    """A photo found its check-in, which now has `received`; `counts` as in `recorded`."""
    count = f"已收{received}/{expected}张" if expected else f"共{received}张"
    head = f"照片已收到，附在{moment(at)}{place_name(place)}的记录（{count}）。"
    return first_that_fits([head + said for said in counts or [_COUNTS[verdict]]])


PHOTO_WAITS = "照片已收到。请在10分钟内点“+”发送位置，照片就会计入。"
PHOTO_TOO_MANY = "这条记录的照片已经够多，这张没有再附上。"
PHOTO_KEPT = "好的，照片留存，不计入记录。"
PHOTO_AWAITS_NEXT = "好的，请现在发送位置，照片就附在那条记录上。"
PHOTO_FAILED = "照片没有收到，请重新发送。"
MEDIA_FAILED = "您发来的语音或视频没有收到，请重新发送。"
PHOTO_UNREADABLE = "有照片打不开，请重新拍一张发送。"
MEDIA_KEPT = "已收到并保存。语音和视频不能自动识别，请再用文字说明。"


def ask_about_photos(first_at: datetime, count: int, records: Sequence[str]) -> str:
    """Photos that no location came for; the answers are numbered."""
    what = f"{moment(first_at)}的照片" if count == 1 else f"{moment(first_at)}起的{count}张照片"
    options = [f"附在{record}" for record in records]
    options += ["我现在发位置", "只留存"]
    lines = "\n".join(f"{n} {option}" for n, option in enumerate(options, 1))
    return fit(f"{what}还没有位置。请回复数字：\n{lines}")


# -- a stele ---------------------------------------------------------------------------------

STELE_UNKNOWN = "没有这块界碑，或已停用。请直接发送位置。"
NOT_A_STELE = "这不是界碑上的码。请对准界碑上的二维码再扫一次，或直接发送位置。"


def at_stele(name: str) -> str:
    """A stele was scanned."""
    return fit(f"您在{short(name, 30)}，请点“+”发送位置，30分钟内有效。")


# -- commands --------------------------------------------------------------------------------


def progress(
    month: Mapping[str, int], year: int, last: tuple[datetime, Mapping[str, Any]] | None
) -> str:
    """The month's records by verdict, the year's number, and the last one."""
    if last is None:
        return "今年还没有巡河记录。任务下达后，这里会显示应巡次数。"
    parts = "，".join(f"{VERDICTS[verdict]}{n}" for verdict, n in month.items() if n)
    total = sum(month.values())
    now = f"本月巡河记录{total}条（{parts}）" if total else "本月还没有巡河记录"
    record = f"{moment(last[0])}{place_name(last[1])}"
    return fit(f"{now}，今年{year}条。最近：{record}。任务下达后会显示应巡次数。")


def records(rows: Sequence[tuple[datetime, Mapping[str, Any], str]]) -> str:
    """The last records, one a line."""
    if not rows:
        return "还没有巡河记录。" + HOW_TO_RECORD
    lines = [
        f"{moment(at)} {short(place_name(place), 14)} {VERDICTS[verdict]}"
        for at, place, verdict in rows
    ]
    return fit("最近的记录：\n" + "\n".join(lines))


def ask_permits(url: str) -> str:
    """After a record: where leave to be reminded is given."""
    return first_that_fits(
        (
            f"想在微信里收到巡河提醒，请点开并选“允许”，一次允许提醒一条：{url}",
            f"接收巡河提醒：{url}",
        )
    )


NO_RECORD = "24小时内没有您的巡河记录。请先发送位置。"
ASK_REASON = "请写上原因，例如：无照片 手机没电"
HAS_PHOTOS = "这条记录已有照片，不用再说明。"
NOTHING_TO_CANCEL = "没有可以取消的记录。只能取消自己在服务号里1小时内的记录。"
CANCELLED_BEFORE = "最近一条记录已经取消过了。"
ASK_COMPANIONS = "请写上姓名，例如：同行 示例乙 示例丙"


def closed_without_photo(at: datetime, reason: str) -> str:
    """No photo will come."""
    return fit(f"已记下：{moment(at)}的记录没有照片，原因：{short(reason, 40)}。")


def cancelled(at: datetime, place: Mapping[str, Any]) -> str:
    """One's own check-in was withdrawn."""
    return fit(f"已取消{moment(at)}{place_name(place)}的记录。要重新记录，请再发位置。")


def noted(note: str) -> str:
    """A text became the note of the check-in."""
    return fit(f"已作为备注记在这次巡河里：{short(note, 60)}")


def companions(added: Sequence[str], unknown: Sequence[str]) -> str:
    """Who was added, and who is not on the roster."""
    parts = []
    if added:
        parts.append(f"已记下同行：{short('、'.join(added), 40)}，已通知本人。")
    if unknown:
        parts.append(f"名册里没有找到：{short('、'.join(unknown), 24)}，请核对姓名。")
    return fit("".join(parts))


def which_of(name: str, organisations: Sequence[str]) -> str:
    """Several people have one name."""
    most = max(4, (MOST - 30 - len(name)) // max(1, len(organisations)) - 3)
    lines = "\n".join(f"{n} {short(each, most)}" for n, each in enumerate(organisations, 1))
    return fit(f"有几位{short(name)}，请回复数字：\n{lines}")
