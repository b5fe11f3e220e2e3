"""What reminders say: one duty, several, other people's, figures; and that all of it fits."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.reminder_texts import (
    LIMITS,
    SUITS,
    Item,
    Notice,
    address,
    cut,
    field_type,
    fields_of,
    fit,
    misfits,
    page,
    sentence,
)
from app.wechat.simulator import fields as platform_fields

TODAY = date(2026, 6, 23)
FIELDS = {
    "thing1": "task",
    "character_string2": "done_of_owed",
    "time3": "due",
    "thing4": "hint",
    "phrase5": "phrase",
    "name6": "name",
    "date7": "day",
    "number8": "missing",
}


def item(**given: object) -> Item:
    defaults = {
        "kind": "due_soon",
        "code": "OB-1",
        "name": "七星河中段巡河",
        "done": 2,
        "owed": 6,
        "due_on": date(2026, 6, 30),
        "missing": 1,
    }
    return Item(**(defaults | given))  # type: ignore[arg-type]


def notice(*items: Item, kind: str = "due_soon", **figures: int) -> Notice:
    return Notice(kind, TODAY, items, figures, "示例管委会")


def told(what: Notice) -> list[str]:
    return list(fields_of(what, FIELDS, name="示例甲").values())


def test_one_duty() -> None:
    assert told(notice(item())) == [
        "七星河中段巡河",
        "2/6",
        "2026年6月30日 18:00",
        "本期还差1次，点开查看",
        "即将到期",
        "示例甲",
        "2026年6月23日",
        "1",
    ]
    assert sentence(notice(item())) == "进度提示：七星河中段巡河已巡2/6次，6月30日前还差1次。"


def test_several_duties() -> None:
    three = notice(
        item(kind="behind", behind=2, missing=2, due_on=date(2026, 3, 31)),
        item(code="OB-2", name="摆依河巡河"),
        item(code="OB-3", name="瑶冲河巡河", done=0, owed=2),
        kind="behind",
    )
    assert told(three)[:5] == [
        "3项巡河任务待完成",
        "4/14",
        "2026年3月31日 18:00",
        "点开查看各项进度",
        "进度落后",
    ]
    assert sentence(three) == "进度提示：七星河中段巡河、摆依河巡河等3项巡河任务待完成。"


def test_behind_is_a_hint_and_no_verdict() -> None:
    late = notice(item(kind="behind", behind=1, due_on=date(2026, 3, 31)), kind="behind")
    assert told(late)[3:5] == ["本期还差1次，点开查看", "进度落后"]
    assert sentence(late) == "进度提示：七星河中段巡河已巡2/6次，比进度少1次，请尽快安排。"
    assert "未完成" not in "".join(told(late)) + sentence(late)


def test_only_a_closed_short_window_says_unfinished() -> None:
    closed = notice(item(kind="behind", behind=1, done=3, owed=4, closed=True), kind="behind")
    assert told(closed)[3:5] == ["上期未完成1次，点开查看", "未完成"]
    assert sentence(closed) == "进度提示：七星河中段巡河上期3/4次，未完成1次。"


def test_what_others_owe() -> None:
    other = item(kind="escalation", behind=3, missing=3, holder="示例局")
    one = notice(other, kind="escalation")
    assert told(one)[:5] == [
        "示例局 七星河中段巡河",
        "2/6",
        "2026年6月30日 18:00",
        "落后3次，请帮助安排",
        "下级落后",
    ]
    assert sentence(one) == "进度提示：示例局的七星河中段巡河落后3次，请帮助安排。"
    assert told(notice(other, other, kind="escalation"))[0] == "2项下级巡河任务进度落后"


def test_what_an_organisation_below_owes_names_it() -> None:
    theirs = notice(item(holder="大河口村支部"))
    assert told(theirs)[0] == "大河口村支部 七星河中段巡河"
    assert sentence(theirs) == "进度提示：大河口村支部七星河中段巡河已巡2/6次，6月30日前还差1次。"


def test_a_task_called_after_its_holder_names_them_once() -> None:
    theirs = item(kind="escalation", name="渔港餐饮巡河", behind=4, holder="渔港餐饮")
    one = notice(theirs, kind="escalation")
    assert told(one)[0] == "渔港餐饮巡河"
    assert sentence(one) == "进度提示：渔港餐饮巡河落后4次，请帮助安排。"
    nobodys = notice(item(kind="escalation", behind=4), kind="escalation")
    assert sentence(nobodys) == "进度提示：下级的七星河中段巡河落后4次，请帮助安排。"


def test_figures() -> None:
    digest = notice(kind="digest", behind=3, calls=1, reviews=2)
    assert told(digest)[:5] == [
        "本周巡河情况汇总",
        "6",
        "2026年6月23日 18:00",
        "3项落后，2条待核，1人待电话",
        "每周汇总",
    ]
    assert sentence(digest) == "进度提示：本周3项落后，2条待核，1人待电话。"
    closed = notice(kind="digest", unmet=3)
    assert told(closed)[:5] == [
        "本周巡河情况汇总",
        "3",
        "2026年6月23日 18:00",
        "上周有3项未完成",
        "每周汇总",
    ]
    assert sentence(closed) == "进度提示：上周有3项未完成。"
    both = notice(kind="digest", behind=3, calls=1, reviews=2, unmet=4)
    assert told(both)[1:4:2] == ["10", "上周有4项未完成，本周3项落后，2条待…"]
    assert sentence(both) == "进度提示：上周有4项未完成，本周3项落后，2条待核，1人待电话。"
    review = notice(kind="review", reviews=4)
    assert told(review)[0] == "4条巡河记录待核"
    assert sentence(review) == "进度提示：巡河记录4条待核。"


def test_where_it_leads() -> None:
    base = "https://xunhe.example.gov.cn"
    odd = notice(item(code="PAIR-水/利"))
    assert address(base, odd) == f"{base}/my/obligations/PAIR-%E6%B0%B4%2F%E5%88%A9"
    assert page(odd) == "pages/obligations/index?code=PAIR-%E6%B0%B4%2F%E5%88%A9"
    for several in (notice(item(), item()), notice(item(), behind=1), notice(kind="digest")):
        assert address(f"{base}/", several) == f"{base}/my/obligations"
        assert page(several) == "pages/obligations/index"
    assert sentence(odd, url=address(base, odd)).endswith(f"点开查看：{address(base, odd)}")


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("七星河中段", 5, "七星河中段"),
        ("七星河中段巡河", 5, "七星河中…"),
        ("巡河2026年", 5, "巡河…"),
        ("巡河12次", 4, "巡河…"),
        ("已巡12/365次", 7, "已巡…"),
    ],
)
def test_no_number_is_cut(text: str, most: int, expected: str) -> None:
    assert cut(text, most) == expected


@pytest.mark.parametrize(
    ("text", "type_", "expected"),
    [
        ("2/6", "number", "2"),
        ("七星河", "number", "0"),
        ("七星河 A-1", "character_string", "A-1"),
        ("七星河", "character_string", "-"),
        ("2026年6月30日 18:00", "date", "2026年6月30日"),
        ("进度落后很多", "phrase", "进度落后很"),
        ("A1", "phrase", "进度提示"),
        ("欧阳·示例甲乙丙丁戊己庚辛", "name", "欧阳·示例甲乙丙丁戊"),
        ("Li", "name", "巡河人员"),
        ("  ", "thing", "点开查看"),
        ("a\n b", "thing", "a b"),
    ],
)
def test_each_type_has_its_limits(text: str, type_: str, expected: str) -> None:
    assert fit(text, type_) == expected


def test_maps_that_cannot_work_are_found() -> None:
    assert misfits(FIELDS) == []
    assert misfits({"time3": "hint", "thing1": "taks", "phrase2": "task"}) == [
        "time3",
        "thing1",
        "phrase2",
    ]


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)
numbers = st.integers(0, 10**6)
items = st.builds(
    Item,
    kind=st.sampled_from(["behind", "due_soon", "escalation"]),
    code=words,
    name=words,
    done=numbers,
    owed=numbers,
    due_on=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    missing=numbers,
    behind=numbers,
    holder=words,
    closed=st.booleans(),
)
notices = st.builds(
    Notice,
    kind=st.sampled_from(["behind", "due_soon", "escalation", "review", "digest"]),
    day=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    items=st.lists(items, max_size=5),
    figures=st.dictionaries(st.sampled_from(["behind", "reviews", "calls", "unmet"]), numbers),
    office=words,
)


@given(notices, words)
def test_whatever_it_is_about_it_fits(what: Notice, name: str) -> None:
    for ours, types in SUITS.items():
        for type_ in types - {"const"}:
            field = f"{type_}1"
            value = fields_of(what, {field: ours}, name=name)[field]
            assert platform_fields.LIMITS[type_].fullmatch(value), (field, ours, value)
            assert len(value) <= LIMITS.get(field_type(field), 40)
    said = sentence(what, url="")
    assert len(said) <= 100
    assert re.match("进度提示：", said)
