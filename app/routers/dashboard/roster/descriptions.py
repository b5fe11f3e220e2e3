"""Descriptions: one a noun, from which its list, its form and its addresses are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.errors import NotFound
from app.routers.dashboard.roster import wording
from app.services import words
from app.services.dataset import labels, values
from app.services.dataset.tables import BY_STEM, Column
from app.services.dataset.values import Reader
from app.services.roster_nouns import NOUNS, Noun

_CHOICES = {
    "village_code": "villages",
    "reach_code": "reaches",
    "area_code": "areas",
    "holder_code": "holders",
}
_NUMBERS = ("times", "min_minutes", "min_metres")


@dataclass(frozen=True)
class Field:
    """A field of a form: a column of the dataset, and how it is asked for."""

    name: str
    label: str
    kind: str
    required: bool
    options: Mapping[str, str]
    choices: str | None
    """Which list of codes may be chosen from."""
    help: str


@dataclass(frozen=True)
class Filter:
    """What a list may be narrowed by; without options it is typed."""

    name: str
    label: str
    options: Mapping[str, str] = field(default_factory=dict)
    choices: str | None = None


_ORGANISATION = Filter("organisation", "组织（含下级）", choices="organisations")


@dataclass(frozen=True)
class Description:
    """A noun as its pages have it; `columns` are shown in its list, `helps` beside its fields."""

    path: str
    title: str
    one: str
    about: str
    noun: Noun
    columns: Sequence[str]
    more: Sequence[str]
    """Headings of what is shown beside the columns."""
    heading: Sequence[str]
    fields: Sequence[Field]
    filters: Sequence[Filter]
    prefix: str = ""
    """How the code begins that is suggested for a new one."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    extra: str | None = None
    """A template below the form."""
    retire: str = "停用（不再使用，记录都保留）"

    @property
    def key(self) -> str | None:
        """The field that names a row; none where ids do."""
        return None if self.noun.by_id else BY_STEM[self.noun.stem].key[0]

    @property
    def lists(self) -> set[str]:
        """The lists of codes that its form offers."""
        return {each.choices for each in self.fields if each.choices}


def _kind(column: Column) -> str:
    if column.several:
        return "several"
    if column.labels:
        return "select"
    if column.refers_to or column.name in _CHOICES:
        return "code"
    kinds: Mapping[Reader, str] = {
        values.truth: "truth", values.day: "day", values.mobile: "tel",
    }  # fmt: skip
    return kinds.get(column.read, "number" if column.name in _NUMBERS else "text")


def _fields(stem: str, names: str, helps: Mapping[str, str]) -> Sequence[Field]:
    """The columns of these names, in this order."""
    made = []
    for name in names.split():
        column = BY_STEM[stem].column(name)
        kind = _kind(column)
        made.append(
            Field(
                name,
                wording.label(stem, name),
                kind,
                column.required,
                {"true": "是", "false": "否"} if kind == "truth" else column.labels or {},
                _CHOICES.get(name, column.refers_to) if kind == "code" else None,
                helps.get(name, ""),
            )
        )
    return made


_CODE = "定下以后不能再改；可以用建议的，也可以自己定，不要有空格。"
_DESCRIPTIONS = (
    Description(
        "people", "人员", "人员", "名册上的人，他们的电话、单位、权限，以及是否绑定了微信。",
        NOUNS["people"],
        ("name", "organisation_code", "role", "title"), ("微信",), ("name",),
        _fields(
            "people",
            "code name phone organisation_code role party_member title public_name from to",
            {
                "code": _CODE,
                "phone": "11 位手机号；本人用这个号码就能在小程序里绑定。",
                "role": "成员只管自己的巡河；管理人员看得到、改得了本组织和下级。",
                "title": "例如：村支书。",
                "public_name": "界碑页面上对外写的姓名；不填就写姓名。",
                "from": "在册的第一天；换单位时，填到新单位的第一天。",
                "to": "在册的最后一天；不填就是一直在册。",
            },
        ),
        (
            Filter("q", "姓名、编码或手机号"),
            _ORGANISATION,
            Filter("role", "权限", labels.ROLES),
        ),
        "P-", {"role": "member", "party_member": "false"}, "roster/person.html",
        "离开名册（停用；记录都保留）",
    ),
    Description(
        "posts", "职务", "职务", "谁是哪里的河长、网格员、联络员，谁可以代巡。", NOUNS["posts"],
        ("person_code", "kind", "organisation_code", "area_code", "deputy_code"), (),
        ("person_code", "kind"),
        _fields(
            "posts",
            "code person_code kind organisation_code area_kind area_code deputy_code from to",
            {
                "code": _CODE,
                "organisation_code": "联络员要填：替哪个组织收提醒。",
                "area_code": "先选区域类别，再选编码；没有区域就都不填。",
                "deputy_code": "代理人走的，算这项职务本人的。",
            },
        ),
        (
            Filter("person", "人员", choices="people"),
            _ORGANISATION,
            Filter("kind", "类别", labels.POST_KINDS),
        ),
        "Z-",
    ),
    Description(
        "duties", "履职任务", "履职任务", "谁每个周期要巡几次、巡哪里，现在完成得怎样。",
        NOUNS["obligations"],
        ("holder_code", "area_code", "times", "period"), ("已巡／应巡", "进度"),
        ("holder_code", "area_kind", "area_code"),
        _fields(
            "obligations",
            "code holder_kind holder_code area_kind area_code times period starts_on ends_on "
            "months photo kinds min_minutes min_metres letter_number",
            {
                "code": _CODE,
                "area_code": "区域选“不限”或“挂钩河段”时不填。",
                "times": "每个周期几次；一天最多算一次。",
                "ends_on": "不填就一直有效。",
                "months": "只在部分月份巡时填，例如 3-12。",
                "kinds": "都不选就是都算。",
                "min_minutes": "每次至少几分钟；一般不填。",
                "min_metres": "每次至少走几米；一般不填。",
            },
        ),
        (
            Filter("holder", "责任主体", choices="holders"),
            _ORGANISATION,
            Filter("area", "区域", choices="areas"),
        ),
        "O-", {"holder_kind": "person", "period": "year", "photo": "wanted"}, "roster/duty.html",
    ),
    Description(
        "pairings", "挂钩联系", "挂钩", "部门挂钩联系哪个河段、哪个村；应巡次数随之产生。",
        NOUNS["pairings"],
        ("department_code", "reach_code", "village_code", "from", "to"), (),
        ("department_code", "reach_code", "village_code"),
        _fields(
            "pairings", "department_code reach_code village_code from to",
            {
                "reach_code": "有河段才有应巡次数。",
                "from": "不填就从第一次导入那年的 1 月 1 日起。",
            },
        ),
        (
            _ORGANISATION,
            Filter("reach", "河段", choices="reaches"),
            Filter("village", "村/社区", choices="villages"),
        ),
    ),
    Description(
        "exemptions", "免巡", "免巡", "请假、停业期间不计应巡；成员申请的在这里审批。",
        NOUNS["exemptions"],
        ("holder_code", "from", "to", "kind", "obligation_code"), ("结果",),
        ("holder_code", "from", "to"),
        _fields(
            "exemptions", "holder_kind holder_code obligation_code from to kind",
            {
                "holder_kind": "成员为单位的任务请假时，要改成“组织”才减单位的应巡。",
                "obligation_code": "不填就是全部任务都免。",
                "to": "这一天也免。",
            },
        ),
        (
            Filter("state", "结果", words.EXEMPTION_STATES),
            Filter("holder", "责任主体", choices="holders"),
            _ORGANISATION,
        ),
        "", {"holder_kind": "person", "kind": "leave"}, "roster/exemption.html", "",
    ),
    Description(
        "letters", "责任书", "目标责任书", "企业河长签订的目标责任书，本人确认了没有。",
        NOUNS["letters"],
        ("number", "organisation_code", "person_code", "starts_on", "ends_on"), ("本人确认",),
        ("number",),
        _fields(
            "letters", "number organisation_code person_code signed_on starts_on ends_on",
            {"number": "文号，定下以后不能再改。"},
        ),
        (
            _ORGANISATION,
            Filter("person", "签订人", choices="people"),
            Filter("confirmed", "本人确认", {"true": "已确认", "false": "未确认"}),
        ),
        "", {}, "roster/letter.html",
    ),
)  # fmt: skip
DESCRIPTIONS: Mapping[str, Description] = {each.path: each for each in _DESCRIPTIONS}
BY_NOUN: Mapping[str, Description] = {each.noun.stem: each for each in _DESCRIPTIONS}


def description(path: str) -> Description:
    """By the word in the address. Raises `NotFound`."""
    found = DESCRIPTIONS.get(path)
    if found is None:
        raise NotFound
    return found
