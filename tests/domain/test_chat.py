"""What was meant by what was typed, and where a photo belongs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import chat, replies
from app.domain.chat import Command, Said, Visit

NOON = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("进度", Said(Command.progress)),
        (" 進度。", Said(Command.progress)),
        ("“进 度”！", Said(Command.progress)),
        ("我的记录", Said(Command.records)),
        ("帮助", Said(Command.help)),
        ("幫助", Said(Command.help)),
        ("？", Said(None)),
        ("同意", Said(Command.agree)),
        ("同意。", Said(Command.agree)),
        ("不同意", Said(Command.disagree)),
        ("撤回同意", Said(Command.take_back)),
        ("撤回轨迹同意", Said(Command.take_back_track)),
        ("取消", Said(Command.cancel)),
        ("是", Said(Command.yes)),
        ("是 的。", Said(Command.yes)),
        ("不是", Said(Command.no)),
        ("３", Said(Command.choice, "3")),
        ("0", Said(None, "0")),
        ("12345678", Said(Command.code, "12345678")),
        ("１２３ ４５６ ７８", Said(Command.code, "12345678")),
        ("123-456", Said(Command.code, "123456")),
        ("123456789", Said(None, "123456789")),
        ("绑定 12345678", Said(Command.bind, "12345678")),
        ("綁定　１２３４５６７８", Said(Command.bind, "12345678")),
        ("绑定：示例甲 19900000001", Said(Command.bind, "示例甲 19900000001")),
        ("绑定", Said(Command.bind)),
        ("无照片 手机没电", Said(Command.no_photo, "手机没电")),
        ("無照片，下雨", Said(Command.no_photo, "下雨")),
        ("没照片", Said(Command.no_photo)),
        ("同行 示例乙 示例丙", Said(Command.companions, "示例乙 示例丙")),
        ("同行：示例乙、示例丙", Said(Command.companions, "示例乙、示例丙")),
        ("同行张三", Said(Command.companions, "张三")),
        ("同行的人今天特别特别多", Said(None, "同行的人今天特别特别多")),
        ("问题 河边有垃圾", Said(Command.problem, "河边有垃圾")),
        ("问题不大，水很清", Said(None, "问题不大,水很清")),
        ("活动", Said(Command.later, "活动")),
        ("責任書。", Said(Command.letters)),
        ("我的 责任书", Said(Command.letters)),
        ("确认责任书", Said(Command.confirm_letter)),
        (" 確認責任書！", Said(Command.confirm_letter)),
        ("责任书　确认", Said(Command.confirm_letter)),
        ("确认责任书ＺＲ－２０２６－０１", Said(Command.confirm_letter, "ZR-2026-01")),
        ("确认责任书：阳管责〔2026〕3号", Said(Command.confirm_letter, "阳管责〔2026〕3号")),
        ("责任书在哪里看", Said(None, "责任书在哪里看")),
        ("确认", Said(Command.yes)),
        ("水面干净", Said(None, "水面干净")),
        ("", Said(None)),
    ],
)
def test_what_was_meant(typed: str, said: Said) -> None:
    assert chat.read(typed) == said


@given(st.text(max_size=200))
def test_anything_can_be_typed(typed: str) -> None:
    said = chat.read(typed)
    assert said.command is None or said.command in Command
    chat.name_and_phone(typed)
    chat.names(typed)
    chat.stele_in(typed)


def test_numbers_of_letters_are_typed_in_many_ways() -> None:
    typed = ("ZR-2026-01", "zr 2026 01", "ＺＲ－２０２６－０１", "(zr)2026.01")
    assert {chat.letters_and_digits(each) for each in typed} == {"zr202601"}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("示例甲 19900000001", ("示例甲", "19900000001")),
        ("19900000001示例甲", ("示例甲", "19900000001")),
        ("姓名：示例甲，手机号：199 0000 0001", ("示例甲", "19900000001")),
        ("示例甲 +8619900000001", ("示例甲", "19900000001")),
        ("示例·甲 199-0000-0001", ("示例·甲", "19900000001")),
        ("示例甲", None),
        ("19900000001", None),
        ("甲 19900000001", None),
        ("示例甲 1990000", None),
    ],
)
def test_name_and_phone(typed: str, found: tuple[str, str] | None) -> None:
    assert chat.name_and_phone(typed) == found


def test_names() -> None:
    assert chat.names("张三、李四 王五，张三") == ["张三", "李四", "王五"]


@pytest.mark.parametrize(
    ("scanned", "found"),
    [
        ("https://x.example/s/JB-01?t=1.abc", ("JB-01", "1.abc")),
        ("http://x.example/xunhe/s/JB-01", ("JB-01", None)),
        ("https://x.example/s/%E7%A2%91", ("碑", None)),
        ("https://x.example/s/", None),
        ("https://x.example/steles/JB-01", None),
        ("ftp://x.example/s/JB-01", None),
        ("https://[", None),
        ("JB-01", None),
    ],
)
def test_the_stele_in_an_address(scanned: str, found: tuple[str, str | None] | None) -> None:
    assert chat.stele_in(scanned) == found


def visit(
    n: int,
    ago: timedelta,
    *,
    from_chat: bool = True,
    has_photo: bool = False,
    closed: bool = False,
    photo_ago: timedelta | None = None,
) -> Visit:
    return Visit(
        UUID(int=n),
        NOON - ago,
        from_chat,
        has_photo,
        closed,
        None if photo_ago is None else NOON - photo_ago,
    )


MINUTES, HOURS = timedelta(minutes=1), timedelta(hours=1)


@pytest.mark.parametrize(
    ("visits", "chosen"),
    [
        ([], None),
        # Ten minutes: whatever it has already, and the newest first.
        ([visit(1, 10 * MINUTES, has_photo=True)], 1),
        ([visit(1, 5 * MINUTES), visit(2, 4 * MINUTES, has_photo=True)], 2),
        ([visit(1, 11 * MINUTES, has_photo=True)], None),
        # Then the newest without one, for a day.
        ([visit(1, 11 * MINUTES)], 1),
        ([visit(1, 3 * HOURS), visit(2, 2 * HOURS), visit(3, HOURS, has_photo=True)], 2),
        ([visit(1, 24 * HOURS)], 1),
        ([visit(1, 24 * HOURS + MINUTES)], None),
        ([visit(1, HOURS, closed=True)], None),
        # One of the mini-program's has photos of its own to come.
        ([visit(1, 5 * MINUTES, from_chat=False, has_photo=True)], None),
        ([visit(1, 5 * MINUTES, from_chat=False)], 1),
        # Several at once stay together.
        ([visit(1, 2 * HOURS), visit(2, HOURS, has_photo=True, photo_ago=0.5 * MINUTES)], 2),
        ([visit(1, 2 * HOURS), visit(2, HOURS, has_photo=True, photo_ago=2 * MINUTES)], 1),
        # A location sent a little later may be here already.
        ([visit(1, -5 * MINUTES)], 1),
        ([visit(1, -11 * MINUTES)], None),
        ([visit(1, -5 * MINUTES), visit(2, HOURS)], 2),
    ],
)
def test_where_a_photo_belongs(visits: list[Visit], chosen: int | None) -> None:
    found = chat.visit_of_photo(NOON, visits)
    assert (found.id.int if found else None) == chosen


def test_no_reply_is_ever_too_long() -> None:
    long = "很长的名字" * 20
    place = {
        kind: {"name": long, "distance_m": 123456.0} for kind in ("grid_cell", "reach", "stele")
    }
    made = [
        value for name, value in vars(replies).items() if name.isupper() and isinstance(value, str)
    ]
    made += [
        replies.later("活动", "0871-00000000"),
        replies.are_you(long, long),
        *(replies.bound(long, long, consented) for consented in (True, False)),
        replies.already_bound(long),
        replies.released({"accepted": 30, "flagged": 9, "rejected": 1}, 40, 3),
        *(
            replies.recorded(verdict, place, None, photos)
            for verdict in replies.VERDICTS
            for photos in (0, 9)
        ),
        replies.photo_joined(NOON, place, "accepted", 30, 30),
        replies.ask_about_photos(NOON, 12, [replies.moment(NOON) + "八个字的一个名字"] * 2),
        replies.at_stele(long),
        replies.progress({"accepted": 20, "flagged": 3, "rejected": 1}, 1234, (NOON, place)),
        replies.records([(NOON, place, "accepted")] * 3),
        replies.closed_without_photo(NOON, long),
        replies.cancelled(NOON, place),
        replies.noted(long),
        replies.companions([long], [long]),
        replies.which_of("示例甲", [long] * 5),
    ]
    assert [text for text in made if len(text) > 100] == []
    # Cutting is the last resort: none of these had to be cut.
    assert [text for text in made if len(text) == 100 and text.endswith("…")] == []
    assert [text for text in made if "打卡" in text] == []


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("4821", "4821"),
        (" 48 21。", "4821"),
        ("４８２１", "4821"),
        ("确认登录 4821", "4821"),
        ("482", None),
        ("48211", None),
        ("12345678", None),
        ("是", None),
        ("", None),
    ],
)
def test_the_number_of_a_sign_in(typed: str, number: str | None) -> None:
    assert chat.four_digits_in(typed) == number
