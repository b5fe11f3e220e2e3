"""Checking: what must hold within a row and between rows, file by file."""

from collections.abc import Callable
from datetime import date
from typing import Any

from app.services.dataset import labels
from app.services.dataset.faults import Fault
from app.services.dataset.register import Register, area_stem
from app.services.dataset.sheets import Sheet, Wrong

_SHORTEST = {"week": 7, "month": 28, "quarter": 90, "half_year": 181, "year": 365}
_RANGES = (("from", "to"), ("starts_on", "ends_on"))


def check(sheet: Sheet, register: Register, today: date) -> list[Fault]:
    """Everything wrong with the rows of one file, its references left aside."""
    faults: list[Fault] = []
    for start, end in _RANGES:
        if start in sheet.values and end in sheet.values:
            faults += _in_order(sheet, start, end)
    more = _OF_TABLE.get(sheet.table.stem)
    return faults + (more(sheet, register, today) if more else [])


def area_rows(sheet: Sheet) -> dict[str, list[int]]:
    """By stem of the area's file: the rows that name an area there."""
    rows: dict[str, list[int]] = {}
    for row, (kind, code) in enumerate(zip(sheet["area_kind"], sheet["area_code"], strict=True)):
        if type(kind) is str and code is not None:
            stem = area_stem(kind)
            if stem is not None:
                rows.setdefault(stem, []).append(row)
    return rows


def find_cycle(sheet: Sheet, register: Register) -> list[Fault]:
    """The rows whose line of parents comes back to themselves."""
    stem = sheet.table.stem
    ids = register.ids[stem]
    parents: dict[str, str | None] = {
        identity: str(row.parent_id) if row.parent_id else None
        for identity, row in register.stored[stem].rows.items()
    }
    if "parent_code" in sheet.headings:
        for identity, code in zip(sheet.ids, sheet["parent_code"], strict=True):
            if identity:
                parents[identity] = ids.get(code) if type(code) is str else None
    sound: set[str] = set()
    looping: set[str] = set()
    for start in parents:
        trail: list[str] = []
        on_trail: set[str] = set()
        at: str | None = start
        while at is not None and at not in sound and at not in looping and at not in on_trail:
            trail.append(at)
            on_trail.add(at)
            at = parents.get(at)
        if at is not None and at in on_trail:
            looping |= set(trail[trail.index(at) :])
        sound |= on_trail - looping
    return [
        sheet.fault(row, "parent_code", "上级关系绕成了圈，最终又回到自己")
        for row, identity in enumerate(sheet.ids)
        if identity in looping
    ]


def _in_order(sheet: Sheet, start: str, end: str) -> list[Fault]:
    return [
        sheet.fault(row, end, f"{last} 早于开始的 {first}")
        for row, (first, last) in enumerate(zip(sheet[start], sheet[end], strict=True))
        if first and last and last < first
    ]


def _area(sheet: Sheet) -> list[Fault]:
    faults: list[Fault] = []
    for row, (kind, code) in enumerate(zip(sheet["area_kind"], sheet["area_code"], strict=True)):
        if type(kind) is Wrong or type(code) is Wrong:
            continue
        if kind is None:
            if code is not None:
                faults.append(sheet.fault(row, "area_kind", "填了区域编码，就要填区域类别"))
        elif area_stem(kind) is None:
            if code is not None:
                label = labels.AREA_KINDS[kind]
                faults.append(
                    sheet.fault(row, "area_code", f"区域类别为 {kind}（{label}）时不填编码")
                )
        elif code is None:
            faults.append(sheet.fault(row, "area_code", "不能为空：要写明是哪一个区域"))
    return faults


def _organisations(sheet: Sheet, register: Register, _today: date) -> list[Fault]:
    return find_cycle(sheet, register)


def _posts(sheet: Sheet, _register: Register, _today: date) -> list[Fault]:
    return _area(sheet)


def _pairings(sheet: Sheet, register: Register, _today: date) -> list[Fault]:
    faults: list[Fault] = []
    for row, (reach, village) in enumerate(
        zip(sheet["reach_code"], sheet["village_code"], strict=True)
    ):
        if reach is None and village is None:
            faults.append(sheet.fault(row, "reach_code", "河段和村至少要填一个"))
    first: dict[tuple[Any, ...], int] = {}
    for row, key in enumerate(zip(*(sheet[name] for name in sheet.table.key), strict=True)):
        if any(type(part) is Wrong for part in key):
            continue
        if key in first:
            where = sheet.line_of(first[key])
            faults.append(sheet.fault(row, "department_code", f"这一组挂钩与第 {where} 行重复"))
        first.setdefault(key, row)
    kinds = register.kinds
    for row, (department, village) in enumerate(
        zip(sheet["department_code"], sheet["village_code"], strict=True)
    ):
        if kinds.get(department) in ("village", "enterprise"):
            faults.append(sheet.fault(row, "department_code", f"“{department}”不是部门"))
        if kinds.get(village, "village") != "village":
            faults.append(sheet.fault(row, "village_code", f"“{village}”不是村或社区"))
    return faults


def _letters(sheet: Sheet, register: Register, _today: date) -> list[Fault]:
    kinds = register.kinds
    return [
        sheet.fault(row, "organisation_code", f"“{code}”不是企业，责任书只与企业签订")
        for row, code in enumerate(sheet["organisation_code"])
        if kinds.get(code, "enterprise") != "enterprise"
    ]


def _obligations(sheet: Sheet, _register: Register, _today: date) -> list[Fault]:
    faults = _area(sheet)
    for row, (times, period) in enumerate(zip(sheet["times"], sheet["period"], strict=True)):
        if type(times) is int and type(period) is str and times > _SHORTEST[period]:
            label = labels.PERIODS[period]
            faults.append(
                sheet.fault(
                    row,
                    "times",
                    f"{times} 次太多：每{label}最多 {_SHORTEST[period]} 次（一天一次）",
                )
            )
    return faults


def _patrols(sheet: Sheet, _register: Register, today: date) -> list[Fault]:
    return _area(sheet) + [
        sheet.fault(row, "on", f"{day} 还没有到，只能补录过去的巡河")
        for row, day in enumerate(sheet["on"])
        if day and day > today
    ]


_OF_TABLE: dict[str, Callable[[Sheet, Register, date], list[Fault]]] = {
    "organisations": _organisations,
    "grid_cells": _organisations,
    "posts": _posts,
    "pairings": _pairings,
    "letters": _letters,
    "obligations": _obligations,
    "patrols": _patrols,
}
