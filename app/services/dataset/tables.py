"""Tables: the files of a dataset and their columns, declared once for all that read and write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.services.dataset import labels, values
from app.services.dataset.values import Reader

EXAMPLE = "示例-"


@dataclass(frozen=True)
class Column:
    """A column; `headings` are Chinese, the first is the one that we write."""

    name: str
    headings: tuple[str, ...]
    read: Reader
    required: bool = False
    labels: Mapping[str, str] | None = None
    refers_to: str | None = None
    """The stem of the file whose codes stand here."""
    default: Any = None
    several: bool = False
    """Whether a cell may hold more than one of the labels."""


@dataclass(frozen=True)
class Table:
    """A file; `key` are the columns that tell one row from another."""

    stem: str
    title: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ("code",)
    shapes: frozenset[str] = frozenset()
    """The geometry types of a GeoJSON file; none for a CSV."""
    examples: Sequence[Mapping[str, str]] = ()

    @property
    def file(self) -> str:
        """The file's name in the folder."""
        return self.stem + (".geojson" if self.shapes else ".csv")

    def column(self, name: str) -> Column:
        """The column with this identifier."""
        return next(column for column in self.columns if column.name == name)


def _code(read: Reader = values.code) -> Column:
    return Column("code", ("编码", "编号", "代码"), read, required=True)


def _text(name: str, *headings: str, limit: int = 100, required: bool = False) -> Column:
    return Column(name, headings, values.text(limit), required)


def _day(name: str, *headings: str, required: bool = False) -> Column:
    return Column(name, headings, values.day, required)


def _ref(name: str, to: str, *headings: str, required: bool = False) -> Column:
    return Column(name, headings, values.code, required, refers_to=to)


def _enum(
    name: str,
    options: dict[str, str],
    *headings: str,
    required: bool = False,
    default: str | None = None,
) -> Column:
    return Column(name, headings, values.choice(options), required, options, default=default)


_NAME = _text("name", "名称", required=True)
_FROM = _day("from", "开始日期", "起始日期", "开始", "自")
_TO = _day("to", "结束日期", "截止日期", "结束", "至")
_AREA_CODE = Column("area_code", ("区域编码", "责任区编码"), values.code)
_HOLDER = (
    _enum("holder_kind", labels.HOLDER_KINDS, "责任主体类别", "主体类别", required=True),
    Column("holder_code", ("责任主体编码", "主体编码"), values.code, required=True),
)

ORGANISATIONS = Table(
    "organisations",
    "组织",
    (
        _code(),
        _NAME,
        _enum("kind", labels.ORGANISATION_KINDS, "类别", "组织类别", required=True),
        _ref("parent_code", "organisations", "上级编码", "上级组织编码", "上级单位编码"),
        _text("short_name", "简称", limit=10),
        Column("phone", ("电话", "办公电话"), values.office_phone),
    ),
    examples=(
        {"code": "示例-D01", "name": "示例环保部门", "kind": "部门", "short_name": "环保"},
        {"code": "示例-B01", "name": "示例党支部", "kind": "党支部", "parent_code": "示例-D01"},
    ),
)
PEOPLE = Table(
    "people",
    "人员",
    (
        _code(),
        _text("name", "姓名", "名称", required=True),
        Column("phone", ("手机号", "手机", "手机号码", "电话"), values.mobile),
        _ref(
            "organisation_code", "organisations", "单位编码", "组织编码", "所属组织编码",
            required=True,
        ),
        _enum("role", labels.ROLES, "权限", "角色", required=True),
        Column("party_member", ("是否党员", "党员"), values.truth, required=True),
        _text("title", "职务名称", "职务", "头衔"),
        _text("public_name", "公示姓名", "对外姓名"),
        _FROM,
        _TO,
    ),
    examples=(
        {
            "code": "示例-P01", "name": "示例甲", "phone": "19900000001",
            "organisation_code": "示例-D01", "role": "管理人员", "party_member": "是",
            "title": "科长", "from": "2026-01-01",
        },
        {
            "code": "示例-P02", "name": "示例乙", "phone": "19900000002",
            "organisation_code": "示例-B01", "role": "成员", "party_member": "否",
        },
    ),
)  # fmt: skip
POSTS = Table(
    "posts",
    "职务",
    (
        _code(),
        _ref("person_code", "people", "人员编码", required=True),
        _enum("kind", labels.POST_KINDS, "职务类别", "类别", "职务", required=True),
        _ref("organisation_code", "organisations", "单位编码", "组织编码"),
        _enum(
            "area_kind",
            labels.only(labels.AREA_KINDS, "waterbody", "reach", "grid_cell", "stele"),
            "区域类别",
        ),
        _AREA_CODE,
        _ref("deputy_code", "people", "代理人编码", "代巡人编码"),
        _FROM,
        _TO,
    ),
    examples=(
        {"code": "示例-Z01", "person_code": "示例-P01", "kind": "河段长", "area_kind": "河段",
         "area_code": "示例-R01", "deputy_code": "示例-P02"},
        {"code": "示例-Z02", "person_code": "示例-P02", "kind": "网格员", "area_kind": "网格",
         "area_code": "示例-G01", "from": "2026-01-01"},
    ),
)  # fmt: skip
WATERBODIES = Table(
    "waterbodies",
    "水体",
    (_code(), _NAME, _enum("kind", labels.WATERBODY_KINDS, "类别", required=True)),
    shapes=frozenset({"LineString", "MultiLineString", "Polygon", "MultiPolygon"}),
)
REACHES = Table(
    "reaches",
    "河段",
    (
        _code(),
        _NAME,
        _ref("waterbody_code", "waterbodies", "水体编码", "河流编码", required=True),
        _text("short_name", "简称", limit=20),
        _text("start", "起点"),
        _text("end", "终点"),
        _text("target", "目标", "治理目标", limit=500),
    ),
    shapes=frozenset({"LineString", "MultiLineString"}),
)
GRID_CELLS = Table(
    "grid_cells",
    "网格",
    (
        _code(),
        _NAME,
        _enum("kind", labels.GRID_CELL_KINDS, "类别", "网格类别", required=True),
        _ref("parent_code", "grid_cells", "上级编码", "上级网格编码"),
        _ref("organisation_code", "organisations", "单位编码", "组织编码", required=True),
        _ref("person_code", "people", "人员编码", "责任人编码"),
    ),
    shapes=frozenset({"Polygon", "MultiPolygon"}),
)
STELES = Table(
    "steles",
    "界碑",
    (
        _code(values.stele_code),
        _NAME,
        _enum("kind", labels.STELE_KINDS, "类别", default="boundary_stone"),
        _ref("reach_code", "reaches", "河段编码"),
        _ref("organisation_code", "organisations", "单位编码", "组织编码", required=True),
        _text("short_name", "简称", limit=20),
        _text("text", "碑文", "文字", limit=2000),
        Column(
            "radius_m", ("有效半径", "半径", "半径（米）"), values.metres(10_000), default=100.0
        ),
        _day("placed_on", "设立日期", "立碑日期"),
    ),
    shapes=frozenset({"Point"}),
)
PAIRINGS = Table(
    "pairings",
    "挂钩联系",
    (
        _ref("department_code", "organisations", "部门编码", "挂钩部门编码", required=True),
        _ref("reach_code", "reaches", "河段编码"),
        _ref("village_code", "organisations", "村编码", "村/社区编码", "社区编码"),
        _FROM,
        _TO,
    ),
    key=("department_code", "reach_code", "village_code"),
    examples=(
        {"department_code": "示例-D01", "reach_code": "示例-R01", "village_code": "示例-V01"},
        {"department_code": "示例-D01", "reach_code": "示例-R02", "from": "2026-01-01"},
    ),
)
LETTERS = Table(
    "letters",
    "目标责任书",
    (
        Column("number", ("责任书编号", "编号", "文号"), values.code, required=True),
        _ref("organisation_code", "organisations", "企业编码", "单位编码", required=True),
        _ref("person_code", "people", "人员编码", "签订人编码", required=True),
        _day("signed_on", "签订日期", required=True),
        _day("starts_on", "开始日期", "生效日期", required=True),
        _day("ends_on", "结束日期", "截止日期", required=True),
        Column("document", ("附件", "文件"), values.path),
    ),
    key=("number",),
    examples=(
        {"number": "示例-2026-01", "organisation_code": "示例-E01", "person_code": "示例-P01",
         "signed_on": "2026-01-05", "starts_on": "2026-01-01", "ends_on": "2026-12-31"},
        {"number": "示例-2026-02", "organisation_code": "示例-E02", "person_code": "示例-P02",
         "signed_on": "2026-01-05", "starts_on": "2026-01-01", "ends_on": "2026-12-31",
         "document": "责任书/示例.pdf"},
    ),
)  # fmt: skip
OBLIGATIONS = Table(
    "obligations",
    "履职任务",
    (
        _code(values.obligation_code),
        *_HOLDER,
        _enum(
            "area_kind",
            labels.only(labels.AREA_KINDS, "any", "reach", "grid_cell", "stele", "paired"),
            "区域类别",
            required=True,
        ),
        _AREA_CODE,
        Column("times", ("次数", "应巡次数"), values.whole(0, 365), required=True),
        _enum("period", labels.PERIODS, "周期", required=True),
        _day("starts_on", "开始日期", "生效日期", required=True),
        _day("ends_on", "结束日期", "截止日期"),
        Column("months", ("月份", "季节"), values.months),
        Column("min_minutes", ("最少分钟", "最少时长（分钟）"), values.whole(0, 1440)),
        Column("min_metres", ("最少米数", "最短距离（米）"), values.whole(0, 100_000)),
        Column(
            "kinds", ("巡河方式", "计入方式"), values.choices(labels.PATROL_KINDS),
            labels=labels.PATROL_KINDS, several=True,
        ),
        _enum("photo", labels.PHOTO_RULES, "照片", "照片要求", default="wanted"),
        _ref("letter_number", "letters", "责任书编号"),
    ),
    examples=(
        {"code": "示例-O01", "holder_kind": "组织", "holder_code": "示例-D01",
         "area_kind": "挂钩河段", "times": "6", "period": "年", "starts_on": "2026-01-01"},
        {"code": "示例-O02", "holder_kind": "个人", "holder_code": "示例-P02",
         "area_kind": "网格", "area_code": "示例-G01", "times": "2", "period": "月",
         "starts_on": "2026-01-01", "months": "3-12", "photo": "必须"},
    ),
)  # fmt: skip
EXEMPTIONS = Table(
    "exemptions",
    "免巡",
    (
        _code(),
        *_HOLDER,
        _ref("obligation_code", "obligations", "任务编码", "履职任务编码"),
        _day("from", *_FROM.headings, required=True),
        _day("to", *_TO.headings, required=True),
        _enum("kind", labels.EXEMPTION_KINDS, "类别", "免巡类别", required=True),
        _text("reason", "原因", "事由", limit=500, required=True),
        _ref("approved_by", "people", "批准人编码", "批准人", required=True),
    ),
    examples=(
        {"code": "示例-X01", "holder_kind": "个人", "holder_code": "示例-P02",
         "from": "2026-06-01", "to": "2026-06-14", "kind": "请假", "reason": "住院",
         "approved_by": "示例-P01"},
        {"code": "示例-X02", "holder_kind": "组织", "holder_code": "示例-E01",
         "from": "2026-07-01", "to": "2026-08-31", "kind": "停业或封闭", "reason": "停产检修",
         "approved_by": "示例-P01"},
    ),
)  # fmt: skip
PATROLS = Table(
    "patrols",
    "补录巡河",
    (
        _code(values.patrol_code),
        _ref("person_code", "people", "人员编码", required=True),
        _day("on", "巡河日期", "日期", required=True),
        _enum(
            "area_kind",
            labels.only(labels.AREA_KINDS, "any", "reach", "grid_cell", "stele"),
            "区域类别",
            required=True,
        ),
        _AREA_CODE,
        _enum("kind", labels.PATROL_KINDS, "巡河方式", "方式", default="foot"),
        _text("note", "备注", "情况", limit=2000),
    ),
    examples=(
        {"code": "示例-L01", "person_code": "示例-P01", "on": "2025-03-12", "area_kind": "河段",
         "area_code": "示例-R01", "kind": "步行", "note": "未见异常"},
        {"code": "示例-L02", "person_code": "示例-P02", "on": "2025-04-02", "area_kind": "不限"},
    ),
)  # fmt: skip

# In the order in which rows may refer to those before them.
TABLES = (
    ORGANISATIONS,
    PEOPLE,
    WATERBODIES,
    REACHES,
    GRID_CELLS,
    STELES,
    POSTS,
    PAIRINGS,
    LETTERS,
    OBLIGATIONS,
    EXEMPTIONS,
    PATROLS,
)
BY_STEM = {table.stem: table for table in TABLES}
