"""The words of a bulletin: what its placeholders stand for, as people read it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from app import clock

# Placeholder and what it stands for; docs/bulletins.md lists them.
PLACEHOLDERS: Mapping[str, str] = {
    "title": "标题",
    "period": "期号，例如 2026-06",
    "organisation": "发文单位",
    "from_on": "开始日期",
    "to_on": "结束日期",
    "opening": "开头的话",
    "closing": "结尾的话",
    "owed": "应巡合计",
    "done": "已巡合计",
    "met": "完成合计",
    "missing": "缺的次数合计",
    "rate": "完成率",
    "change_previous": "完成率比上期",
    "change_year_ago": "完成率比去年同期",
    "short_count": "未完成的单位数",
    "short_units": "未完成的单位及缺的次数",
    "cells": "网格数",
    "visited": "到访过的网格数",
    "coverage": "网格覆盖率",
    "cold_count": "无人到访的网格数",
    "cold_cells": "无人到访的网格",
    "known_at": "数据截止时间",
    "signed_by": "签发人，草稿为空",
    "definition": "统计口径",
    "corrections_count": "更正的条数",
}
UNIT: Mapping[str, str] = {
    "number": "序号",
    "code": "单位编码",
    "name": "单位名称",
    "holders": "责任人数",
    "owed": "应巡",
    "done": "已巡",
    "met": "完成",
    "missing": "缺",
    "rate": "完成率",
    "change_previous": "完成率比上期",
    "change_year_ago": "完成率比去年同期",
    "remark": "说明",
}
CORRECTION: Mapping[str, str] = {
    "period": "期号",
    "code": "单位编码",
    "name": "单位名称",
    "figure": "哪个数",
    "said": "原来的数",
    "now": "现在的数",
}


def words_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Every placeholder with its words; `units` and `corrections` are lists of the same."""
    totals, places = content["totals"], content["coverage"]
    signer = content.get("signed_by")
    return {
        "title": content["title"],
        "period": content["period"],
        "organisation": content["organisation"]["name"],
        "from_on": _day(content["from"]),
        "to_on": _day(content["to"]),
        "opening": content["opening"],
        "closing": content["closing"],
        **{name: totals[name] for name in ("owed", "done", "met", "missing")},
        "rate": rate(totals["rate"]),
        "change_previous": change(totals["change_previous"]),
        "change_year_ago": change(totals["change_year_ago"]),
        "short_count": len(content["short"]),
        "short_units": _listed(
            f"{each['name']}（缺{each['missing']}次）" for each in content["short"]
        ),
        "cells": places["cells"],
        "visited": places["visited"],
        "coverage": rate(places["rate"]),
        "cold_count": places["cold"],
        "cold_cells": _listed(each["name"] for each in places["cold_cells"])
        + ("等" if places["cold"] > len(places["cold_cells"]) else ""),
        "known_at": _instant(content["known_at"]),
        "signed_by": " ".join(filter(None, (signer["title"], signer["name"]))) if signer else "",
        "definition": "".join(each["text"] for each in content["definitions"]),
        "corrections_count": len(content["corrections"]),
        "units": [_unit(number, unit) for number, unit in enumerate(content["units"], 1)],
        "corrections": [
            {
                "period": each["period"],
                "code": each["code"],
                "name": each["name"],
                "figure": each["figure_name"],
                "said": each["said"],
                "now": each["now"],
            }
            for each in content["corrections"]
        ],
    }


def _unit(number: int, unit: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": number,
        **{
            name: unit[name]
            for name in ("code", "name", "holders", "owed", "done", "met", "missing", "remark")
        },
        "rate": rate(unit["rate"]),
        "change_previous": change(unit["change_previous"]),
        "change_year_ago": change(unit["change_year_ago"]),
    }


def rate(value: float | None) -> str:
    """A completion rate in per cent; a dash where nothing was owed."""
    return "—" if value is None else f"{value * 100:.1f}%"


def change(value: float | None) -> str:
    """By how many percentage points a rate changed; a dash where there is nothing to compare."""
    if value is None:
        return "—"
    points = round(value * 100, 1)
    if points == 0:
        return "持平"
    return f"{'上升' if points > 0 else '下降'}{abs(points):.1f}个百分点"


def _listed(names: Any) -> str:
    parts: Sequence[str] = list(names)
    return "、".join(parts) if parts else "无"


def _instant(value: str) -> str:
    return f"{datetime.fromisoformat(value).astimezone(clock.LAKE):%Y-%m-%d %H:%M}"


def _day(value: str) -> str:
    day = date.fromisoformat(value)
    return f"{day.year}年{day.month}月{day.day}日"
