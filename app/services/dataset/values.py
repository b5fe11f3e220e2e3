"""Values: how the text of a cell becomes a value, forgiving what Excel does to it."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

Reader = Callable[[str], Any]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]0{1,2}:00(?::00(?:\.0+)?)?)?")
_EXCEL_EPOCH = date(1899, 12, 30)
_SCIENTIFIC = re.compile(r"\d(\.\d+)?[eE]\+?\d+")


class Unreadable(ValueError):
    """The text is no such value; the message is for the operator."""


def as_text(value: object) -> str:
    """The text a person would have typed for a cell of a sheet or a GeoJSON property."""
    match value:
        case None:
            return ""
        case str():
            return value.strip()
        case bool():
            return "true" if value else "false"
        case datetime():
            at_midnight = not (value.hour or value.minute or value.second)
            return value.date().isoformat() if at_midnight else value.isoformat(" ")
        case date():
            return value.isoformat()
        case float():
            # An integer that came through a spreadsheet; 1e22 is no code anybody gave.
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case int() | Decimal():
            return str(value)
    raise Unreadable("这里只能填文字、数字或日期")


def plain(text: str) -> str:
    """The text with full-width letters and digits as ordinary ones."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).strip()


def text(limit: int) -> Reader:
    """Free text of at most `limit` characters."""

    def read(value: str) -> str:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
        if len(value) > limit:
            raise Unreadable(f"太长了：{len(value)} 个字，最多 {limit} 个字")
        if _CONTROL.search(value):
            raise Unreadable("含有看不见的控制字符，请删掉重新输入")
        return value

    return read


def code(value: str) -> str:
    """A code: at most 64 characters without spaces."""
    value = plain(value)
    if len(value) > 64:
        raise Unreadable(f"编码太长：{len(value)} 个字符，最多 64 个")
    if re.search(r"\s", value) or _CONTROL.search(value):
        raise Unreadable(f"编码“{_shown(value)}”里不能有空格或换行")
    return value


def stele_code(value: str) -> str:
    """A stele's code, which is part of an address and of a QR code's scene."""
    value = plain(value)
    if not re.fullmatch(r"[A-Za-z0-9_-]{3,24}", value):
        raise Unreadable(f"界碑编码“{_shown(value)}”须为 3 至 24 个字母、数字、“-”或“_”")
    return value


def obligation_code(value: str) -> str:
    """A duty's code; those of pairings are ours to give."""
    value = code(value)
    if value.upper().startswith("PAIR-"):
        raise Unreadable("“PAIR-”开头的编码留给挂钩联系自动产生的任务，请换一个")
    return value


def patrol_code(value: str) -> str:
    """A paper patrol's code; those of late entries are ours to give."""
    value = code(value)
    if value.upper().startswith("LATE-"):
        raise Unreadable("“LATE-”开头的编码留给补录产生的巡河，请换一个")
    return value


def day(value: str) -> date:
    """A day: `2026-06-01`, `2026/6/1`, `2026年6月1日`, `20260601` or Excel's serial number."""
    value = plain(value)
    found: date | None = None
    try:
        if match := _DAY.fullmatch(value):
            found = date(*map(int, match.groups()))
        elif re.fullmatch(r"(19|20|21)\d{6}", value):
            found = date(int(value[:4]), int(value[4:6]), int(value[6:]))
        elif re.fullmatch(r"\d{5}(\.0+)?", value):
            found = _EXCEL_EPOCH + timedelta(days=int(value[:5]))
    except ValueError:
        raise Unreadable(f"没有“{value}”这一天") from None
    if found is None:
        raise Unreadable(f"“{_shown(value)}”不是日期，请写成 2026-06-01")
    if not 1900 <= found.year <= 2199:
        raise Unreadable(f"年份 {found.year} 不对，应在 1900 至 2199 之间")
    return found


def whole(least: int, most: int) -> Reader:
    """A whole number from `least` to `most`."""

    def read(value: str) -> int:
        value = plain(value)
        if not re.fullmatch(r"[+-]?\d{1,12}(\.0+)?", value):
            raise Unreadable(f"“{_shown(value)}”不是整数")
        number = int(value.split(".")[0])
        if not least <= number <= most:
            raise Unreadable(f"{number} 超出范围，应在 {least} 至 {most} 之间")
        return number

    return read


def metres(most: float) -> Reader:
    """A positive number of metres, `most` at the most."""

    def read(value: str) -> float:
        value = plain(value)
        if not re.fullmatch(r"[+-]?\d{1,9}(\.\d{1,9})?", value):
            raise Unreadable(f"“{_shown(value)}”不是数字")
        if not 0 < float(value) <= most:
            raise Unreadable(f"{value} 超出范围，应大于 0 且不超过 {most:g} 米")
        return float(value)

    return read


def truth(value: str) -> bool:
    """True or false, as people and programs write it."""
    answer = plain(value).lower()
    if answer in ("true", "是", "1", "yes", "y", "t", "√", "对"):
        return True
    if answer in ("false", "否", "0", "no", "n", "f", "×", "不是"):
        return False
    raise Unreadable(f"“{_shown(value)}”看不懂，请填 true 或 false（是或否）")


def choice(labels: Mapping[str, str]) -> Reader:
    """One of the identifiers, which may also be written by its Chinese label."""
    by_label = {label: name for name, label in labels.items()}

    def read(value: str) -> str:
        value = plain(value)
        if value in labels:
            return value
        if value in by_label:
            return by_label[value]
        if value.lower() in labels:
            return value.lower()
        wanted = "、".join(f"{name}（{label}）" for name, label in labels.items())
        raise Unreadable(f"“{_shown(value)}”不在可选范围内，可填：{wanted}")

    return read


def choices(labels: Mapping[str, str]) -> Reader:
    """Some of the identifiers, as a PostgreSQL array in the order of the labels."""
    one = choice(labels)

    def read(value: str) -> str:
        given = {one(part) for part in re.split(r"[,;，；、|\s]+", value) if part}
        return "{" + ",".join(name for name in labels if name in given) + "}"

    return read


def months(value: str) -> str:
    """A season such as `3-12`, which may wrap (`11-3`); `5` is one month.

    Excel takes `3-12` for the twelfth of March, so such a day is read back as what was typed.
    """
    value = plain(value)
    if match := re.fullmatch(r"(\d{1,2})月(\d{1,2})日|\d{4}-(\d{2})-(\d{2})", value):
        value = "-".join(part for part in match.groups() if part)
    match = re.fullmatch(r"(\d{1,2})月?(?:\s*[-~至—–]\s*(\d{1,2})月?)?", value)
    if not match:
        raise Unreadable(f"“{_shown(value)}”看不懂，月份请写成 3-12")
    parts = [int(part) for part in match.groups() if part]
    if not all(1 <= part <= 12 for part in parts):
        raise Unreadable(f"“{value}”里的月份应在 1 至 12 之间")
    return "-".join(map(str, parts))


def mobile(value: str) -> str:
    """A mainland mobile number as its 11 digits."""
    value = plain(value)
    if _SCIENTIFIC.fullmatch(value):
        raise Unreadable(f"手机号被 Excel 写成了“{value}”，请把这一列设为文本后重新填写")
    if re.fullmatch(r"\d{11,13}\.0+", value):
        value = value.split(".")[0]
    if re.fullmatch(r"[0-9+ ()-]{11,24}", value):
        import phonenumbers  # noqa: PLC0415 - half a hundred modules, for who writes a number

        try:
            number = phonenumbers.parse(value, "CN")
        except phonenumbers.NumberParseException:
            number = None
        if (
            number is not None
            and number.country_code == 86
            and phonenumbers.is_valid_number(number)
            and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        ):
            return str(number.national_number)
    # The number itself stays out of the message, which may end up in a log.
    raise Unreadable("不是有效的大陆手机号，应为 11 位数字")


def office_phone(value: str) -> str:
    """An office telephone, printed as it is."""
    value = plain(value)
    if re.fullmatch(r"\d{7,12}\.0+", value):
        value = value.split(".")[0]
    if not re.fullmatch(r"[0-9+\-() /,转#]{3,30}", value):
        raise Unreadable("不是有效的电话号码")
    return value


def path(value: str) -> str:
    """The path of a file, relative to the folder; whether it is there is seen later."""
    value = value.replace("\\", "/")
    if len(value) > 200 or _CONTROL.search(value):
        raise Unreadable("文件名太长或含有控制字符")
    return value


def _shown(value: str) -> str:
    """What may be said of a strange value: not all of a novel."""
    value = " ".join(value.split())
    return value if len(value) <= 40 else value[:40] + "…"
