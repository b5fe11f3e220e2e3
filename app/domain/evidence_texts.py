"""The findings about a check-in in words; docs/evidence.md says what each check looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What is doubtful when a check has failed.
DOUBTS: Mapping[str, str] = {
    "area_of_interest": "位置在服务范围之外",
    "accuracy": "定位精度不够",
    "stele_distance": "离所报的界碑太远",
    "stele_nearest": "附近有更近的界碑",
    "stele_code": "界碑二维码不是我们的",
    "stele_print": "界碑二维码已经停用",
    "clock": "手机时间超前",
    "age": "记录送来得太晚",
    "patrol_time": "不在这次巡河的时间之内",
    "speed": "与前后记录相比移动过快",
    "companion_elsewhere": "同行人当时在别处",
    "identical_coordinates": "多日坐标完全相同",
    "device": "同一部手机短时间内被多人使用",
    "photo_type": "照片不像是相机拍的",
    "photo_taken": "照片拍摄时间与记录不符",
    "photo_reused": "照片以前用过",
    "photo_near_same": "照片与以前的几乎相同",
}
TITLES: Mapping[str, str] = {
    "area_of_interest": "服务范围",
    "accuracy": "定位精度",
    "stele_distance": "与界碑的距离",
    "stele_nearest": "最近的界碑",
    "stele_code": "界碑二维码",
    "stele_print": "二维码版本",
    "clock": "手机时间",
    "age": "送达时间",
    "patrol_time": "巡河时间",
    "speed": "移动速度",
    "companion_elsewhere": "同行人位置",
    "identical_coordinates": "重复坐标",
    "device": "手机",
    "photo_type": "照片格式",
    "photo_taken": "拍摄时间",
    "photo_reused": "重复照片",
    "photo_near_same": "相似照片",
}
# How a check's value and limit read; a check that is not here is said by its result alone.
_METRES = ("{}米", "{}米")
_MEASURES: Mapping[str, tuple[str, str]] = {
    "accuracy": _METRES,
    "stele_distance": _METRES,
    "stele_nearest": ("近{}米", "{}米"),
    "companion_elsewhere": _METRES,
    "speed": ("{}公里/小时", "{}公里/小时"),
    "identical_coordinates": ("{}天", "{}天"),
    "photo_reused": ("{}次", ""),
    "photo_near_same": ("{}次", ""),
}
_SECONDS = {"clock": "超前", "age": "晚到", "patrol_time": "相差", "photo_taken": "相差"}
_RESULTS: Mapping[bool | None, str] = {True: "通过", False: "可疑", None: "无法判断"}


@dataclass(frozen=True, slots=True)
class Said:
    """One check for people: what it looks at, how it came out, and the figures."""

    check: str
    title: str
    passed: bool | None
    result: str
    text: str


def said(evidence: Sequence[Mapping[str, Any]]) -> list[Said]:
    """The checks in the order in which they were made, those that failed first."""
    made = [
        Said(
            check := str(entry["check"]),
            TITLES.get(check, check),
            passed := entry["passed"],
            _RESULTS[passed],
            _text(check, passed, entry.get("value"), entry.get("limit")),
        )
        for entry in evidence
    ]
    return sorted(made, key=lambda each: each.passed is not False)


def doubts(evidence: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is doubtful, a few words each."""
    failed = [str(entry["check"]) for entry in evidence if entry["passed"] is False]
    return [DOUBTS.get(check, check) for check in failed]


def _text(check: str, passed: bool | None, value: Any, limit: Any) -> str:
    doubt = DOUBTS.get(check, check) if passed is False else ""
    figures = _figures(check, value, limit)
    return "：".join(part for part in (doubt, figures) if part)


def _figures(check: str, value: Any, limit: Any) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    if check in _SECONDS:
        if not value:
            return ""
        bound = f"，限{_span(limit)}" if limit else ""
        return f"{_SECONDS[check]}{_span(value)}{bound}"
    if check not in _MEASURES:
        return ""
    how, most = _MEASURES[check]
    bound = f"，限{most.format(_number(limit))}" if most and limit is not None else ""
    return how.format(_number(value)) + bound


def _span(seconds: float) -> str:
    """A length of time in the largest unit that it fills."""
    for size, unit in ((86_400, "天"), (3_600, "小时"), (60, "分钟")):
        if seconds >= size:
            return f"{_number(seconds / size)}{unit}"
    return f"{_number(seconds)}秒"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
