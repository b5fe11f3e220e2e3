"""Chat: what somebody meant by what they typed, and which record a photo belongs to."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

PHOTO_FOLLOWS_WITHIN = timedelta(minutes=10)
PHOTO_JOINS_WITHIN = timedelta(hours=24)
NOTE_FOLLOWS_WITHIN = timedelta(minutes=30)
AT_ONCE = timedelta(seconds=60)

_TRADITIONAL = str.maketrans(
    "綁進問題幫無沒責書確認學習動簽報記錄議軌跡銷對閱讀",
    "绑进问题帮无没责书确认学习动签报记录议轨迹销对阅读",
)
_CODE = re.compile(r"[0-9]{6,8}", re.ASCII)
_PHONE = re.compile(r"(?:\+?86)?(1[0-9]{10})", re.ASCII)
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9])[\s\-]+(?=[0-9])")
_NAME = re.compile(r"[^\W\d_]{1,20}(?:·[^\W\d_]{1,20})*")
_SEPARATORS = " :;,.、。|/-—=+&\t\n"
_ENDINGS = " !?。.,~;:"
_QUOTES = "\"'“”‘’「」『』[]()<>《》【】"


class Command(StrEnum):
    """What can be said in the chat."""

    bind = "bind"
    code = "code"
    progress = "progress"
    records = "records"
    help = "help"
    problem = "problem"
    later = "later"
    letters = "letters"
    confirm_letter = "confirm_letter"
    agree = "agree"
    disagree = "disagree"
    take_back = "take_back"
    take_back_track = "take_back_track"
    cancel = "cancel"
    no_photo = "no_photo"
    companions = "companions"
    yes = "yes"
    no = "no"
    choice = "choice"


@dataclass(frozen=True, slots=True)
class Said:
    """A command and what followed it; no command for anything else that was typed."""

    command: Command | None
    rest: str = ""


_WORDS: Mapping[str, Command] = {
    word: command
    for command, words in {
        Command.progress: "进度 我的进度 查进度 巡河进度",
        Command.records: "我的记录 记录 巡河记录",
        Command.help: "帮助 怎么用 使用帮助 help 菜单",
        Command.problem: "问题 报问题 建议",
        Command.later: "活动 签到 学习",
        Command.letters: "责任书 目标责任书 我的责任书 查责任书",
        Command.confirm_letter: "确认责任书 确认目标责任书 责任书确认 已阅读责任书 责任书已阅读",
        Command.agree: "同意 我同意 同意了 agree",
        Command.disagree: "不同意 我不同意 拒绝",
        Command.take_back: "撤回同意 取消同意",
        Command.take_back_track: "撤回轨迹同意 取消轨迹同意",
        Command.cancel: "取消 撤销 撤回",
        Command.no_photo: "无照片 没有照片 没照片",
        Command.companions: "同行 同行人",
        Command.bind: "绑定",
        Command.yes: "是 是的 是我 对 对的 确认 yes y",
        Command.no: "否 不是 不是我 不 no n",
    }.items()
    for word in words.split()
}
_BEFORE_MORE = (
    # The longer ones first. Where nothing separates, only what cannot be the start of a sentence.
    ("绑定", Command.bind, True),
    ("没有照片", Command.no_photo, True),
    ("没照片", Command.no_photo, True),
    ("无照片", Command.no_photo, True),
    ("确认责任书", Command.confirm_letter, True),
    ("确认目标责任书", Command.confirm_letter, True),
    ("同行人", Command.companions, False),
    ("同行", Command.companions, False),
    ("报问题", Command.problem, False),
    ("问题", Command.problem, False),
    ("建议", Command.problem, False),
)
_ONE_COMPANION = re.compile(r"同行([\u4e00-\u9fff]{2,4})")


def plain(typed: str) -> str:
    """The text with full width, quotation marks and the ends' spaces and stops forgiven."""
    text = unicodedata.normalize("NFKC", typed).strip().rstrip(_ENDINGS)
    if text[:1] in _QUOTES:
        text = text.strip(_QUOTES)
    return text.strip().rstrip(_ENDINGS)


def read(typed: str) -> Said:
    """What was meant; spaces, full width and traditional characters are forgiven."""
    text = plain(typed)
    simple = text.translate(_TRADITIONAL)
    word = "".join(simple.split()).lower()
    if word in _WORDS:
        # Which of the things that come later is said again in the answer.
        return Said(_WORDS[word], word if _WORDS[word] is Command.later else "")
    if len(word) == 1 and word in "123456789":
        return Said(Command.choice, word)
    code = code_in(text)
    if code is not None:
        return Said(Command.code, code)
    for start, command, without_separator in _BEFORE_MORE:
        if simple.startswith(start):
            more = text[len(start) :]
            if without_separator or more[0] in _SEPARATORS:
                return Said(command, more.strip(_SEPARATORS))
    alone = _ONE_COMPANION.fullmatch(simple)
    if alone:
        return Said(Command.companions, text[2:])
    return Said(None, text)


def code_in(text: str) -> str | None:
    """An invitation code: six to eight digits and nothing else but spaces and dashes."""
    digits = re.sub(r"[\s\-—·.,，。]+", "", unicodedata.normalize("NFKC", text))
    return digits if _CODE.fullmatch(digits) else None


def four_digits_in(typed: str) -> str | None:
    """`4821`, `确认登录 4821`: the four digits, if there are no others."""
    digits = re.findall(r"[0-9]", unicodedata.normalize("NFKC", typed))
    return "".join(digits) if len(digits) == 4 else None


def name_and_phone(text: str) -> tuple[str, str] | None:
    """`示例甲 199 0000 0001`, in either order; None unless both are there."""
    joined = _BETWEEN_DIGITS.sub("", unicodedata.normalize("NFKC", text))
    found = _PHONE.search(joined)
    if found is None:
        return None
    name = (joined[: found.start()] + " " + joined[found.end() :]).strip(_SEPARATORS)
    for label in ("姓名", "手机号", "手机", "电话", "我是", "我叫"):
        name = name.replace(label, " ").strip(_SEPARATORS)
    name = "".join(name.split())
    return (name, found.group(1)) if 2 <= len(name) <= 20 and _NAME.fullmatch(name) else None


def letters_and_digits(text: str) -> str:
    """What of a number people type alike: neither spaces, dashes nor brackets, whatever case."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def names(text: str) -> list[str]:
    """The names in `张三、李四 王五`, each once, in their order."""
    return list(dict.fromkeys(part for part in re.split(r"[\s、,，;；/]+", text) if part))


def stele_in(scanned: str) -> tuple[str, str | None] | None:
    """Code and token in a stele's address, `…/s/{code}?t={token}`; None for any other text."""
    try:
        parts = urlsplit(scanned.strip())
    except ValueError:
        return None
    before, _, last = parts.path.rstrip("/").rpartition("/")
    if parts.scheme not in {"http", "https"} or not before.endswith("/s") or not last:
        return None
    tokens = parse_qs(parts.query).get("t")
    return unquote(last), tokens[0] if tokens else None


@dataclass(slots=True)
class Visit:
    """What of a check-in decides whether a photo joins it; `closed`: without photo, and said so."""

    id: UUID
    at: datetime
    from_chat: bool
    has_photo: bool
    closed: bool = False
    photo_sent_at: datetime | None = None


def visit_of_photo(sent_at: datetime, visits: Sequence[Visit]) -> Visit | None:
    """The visit that a photo sent at that moment belongs to; None: it waits for a location.

    Up to ten minutes after a location it is that one. Else the newest of the last 24 hours that
    has none, or whose last photo came just before this one: several are sent at once. Else the
    location that was sent within the next ten minutes, if it is there already.
    """
    before = sorted(
        (visit for visit in visits if timedelta(0) <= sent_at - visit.at <= PHOTO_JOINS_WITHIN),
        key=lambda visit: (visit.at, visit.id),
        reverse=True,
    )
    for visit in before:
        if visit.from_chat and sent_at - visit.at <= PHOTO_FOLLOWS_WITHIN:
            return visit
    for visit in before:
        together = (
            visit.photo_sent_at is not None
            and timedelta(0) <= sent_at - visit.photo_sent_at <= AT_ONCE
        )
        if together or not (visit.has_photo or visit.closed):
            return visit
    after = [
        visit
        for visit in visits
        if visit.from_chat and timedelta(0) < visit.at - sent_at <= PHOTO_FOLLOWS_WITHIN
    ]
    return min(after, key=lambda visit: (visit.at, visit.id), default=None)
