"""The rule of obligations as one would work it out by hand: day by day, patrol by patrol.

It imports nothing of the product. Places, people and duties go by their codes; days are calendar
days in Asia/Shanghai. Nothing here is quick, and nothing is meant to be.
"""

from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8))
ONE_DAY = timedelta(days=1)


@dataclass
class Organisation:
    code: str
    parent: str | None = None
    retired_on: date | None = None


@dataclass
class Membership:
    organisation: str
    first: date | None = None
    last: date | None = None


@dataclass
class Person:
    code: str
    memberships: list[Membership]
    retired_on: date | None = None


@dataclass
class Waterbody:
    code: str


@dataclass
class Reach:
    code: str
    waterbody: str
    retired_on: date | None = None


@dataclass
class Cell:
    code: str
    parent: str | None = None
    retired_on: date | None = None


@dataclass
class Stele:
    code: str
    reach: str | None = None
    radius_m: float = 100
    retired_on: date | None = None


@dataclass
class Letter:
    number: str
    retired_on: date | None = None


@dataclass
class Pairing:
    department: str
    reach: str | None
    first: date | None = None
    last: date | None = None
    retired_on: date | None = None


@dataclass
class Post:
    person: str
    deputy: str | None
    area_kind: str | None = None
    area: str | None = None
    first: date | None = None
    last: date | None = None
    retired_on: date | None = None


@dataclass
class Exemption:
    holder_kind: str
    holder: str
    first: date
    last: date
    obligation: str | None = None
    granted: bool = True
    retired_on: date | None = None


@dataclass
class Obligation:
    code: str
    holder_kind: str
    holder: str
    area_kind: str
    area: str | None
    times: int
    period: str
    starts_on: date
    ends_on: date | None = None
    months: str | None = None
    min_minutes: int | None = None
    min_metres: int | None = None
    kinds: list[str] | None = None
    photo: str = "wanted"
    letter: str | None = None
    retired_on: date | None = None


@dataclass
class CheckIn:
    verdict: str
    reach: str | None = None
    cells: list[str] = field(default_factory=list)
    named_stele: str | None = None
    named_distance_m: float | None = None
    accuracy_m: float | None = None
    from_chat: bool = False
    nearest_stele: str | None = None
    nearest_distance_m: float | None = None
    photos: int = 0
    withdrawn: bool = False


@dataclass
class Companion:
    person: str
    declined: bool = False
    removed: bool = False


@dataclass
class Paper:
    """What a patrol that was entered afterwards says of its place and of a photo."""

    area_kind: str
    area: str | None
    photo: bool = False


@dataclass
class Patrol:
    """`seconds` and `metres` are null while nobody knows them."""

    person: str
    started_at: datetime
    kind: str = "foot"
    seconds: int | None = None
    metres: float | None = None
    companions: list[Companion] = field(default_factory=list)
    check_ins: list[CheckIn] = field(default_factory=list)
    paper: Paper | None = None


@dataclass
class World:
    organisations: list[Organisation] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    waterbodies: list[Waterbody] = field(default_factory=list)
    reaches: list[Reach] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    steles: list[Stele] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    pairings: list[Pairing] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    exemptions: list[Exemption] = field(default_factory=list)
    obligations: list[Obligation] = field(default_factory=list)
    patrols: list[Patrol] = field(default_factory=list)
    count_from: date | None = None


@dataclass
class Answer:
    """What the rule says of one obligation in one window on one day."""

    window_from: date
    window_to: date
    season_days: int
    active_days: int
    owed: int
    slices: list[date]
    due_by: int
    done: int
    pending: int
    behind: int
    next_due_on: date | None
    state: str


# --- Days ---------------------------------------------------------------------------------------


def days_between(first: date, last: date) -> list[date]:
    days, day = [], first
    while day <= last:
        days.append(day)
        day += ONE_DAY
    return days


def last_of_month(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


def calendar_period(period: str, day: date) -> tuple[date, date]:
    """The first and last day of the calendar period that contains the day."""
    if period == "year":
        return date(day.year, 1, 1), date(day.year, 12, 31)
    if period == "half_year":
        if day.month <= 6:
            return date(day.year, 1, 1), date(day.year, 6, 30)
        return date(day.year, 7, 1), date(day.year, 12, 31)
    if period == "quarter":
        for first_month in (1, 4, 7, 10):
            if first_month <= day.month <= first_month + 2:
                return date(day.year, first_month, 1), last_of_month(day.year, first_month + 2)
    if period == "month":
        return date(day.year, day.month, 1), last_of_month(day.year, day.month)
    if period == "week":
        monday = day
        while monday.isoweekday() != 1:
            monday -= ONE_DAY
        return monday, monday + 6 * ONE_DAY
    raise ValueError(period)


def season_months(months: str | None) -> list[int]:
    """`3-12` or, round the turn of the year, `11-3`; nothing said is the whole year."""
    if months is None:
        return list(range(1, 13))
    first, _, last = months.partition("-")
    month, found = int(first), [int(first)]
    while month != int(last or first):
        month = 1 if month == 12 else month + 1
        found.append(month)
    return found


def within(day: date, first: date | None, last: date | None) -> bool:
    if first is not None and day < first:
        return False
    return not (last is not None and day > last)


def is_gone(retired_on: date | None, day: date) -> bool:
    return retired_on is not None and day >= retired_on


# --- Who and where ------------------------------------------------------------------------------


def the_organisation(world: World, code: str) -> Organisation:
    return next(each for each in world.organisations if each.code == code)


def the_person(world: World, code: str) -> Person:
    return next(each for each in world.people if each.code == code)


def the_reach(world: World, code: str) -> Reach:
    return next(each for each in world.reaches if each.code == code)


def the_cell(world: World, code: str) -> Cell:
    return next(each for each in world.cells if each.code == code)


def the_stele(world: World, code: str) -> Stele:
    return next(each for each in world.steles if each.code == code)


def organisation_and_those_above(world: World, code: str) -> list[str]:
    found = [code]
    while (above := the_organisation(world, found[-1]).parent) is not None:
        found.append(above)
    return found


def cell_and_those_above(world: World, code: str) -> list[str]:
    found = [code]
    while (above := the_cell(world, found[-1]).parent) is not None:
        found.append(above)
    return found


def organisations_of(world: World, person_code: str, day: date) -> list[str]:
    """The organisations of which somebody is a member on that day, themselves only."""
    person = the_person(world, person_code)
    if is_gone(person.retired_on, day):
        return []
    return [
        membership.organisation
        for membership in person.memberships
        if within(day, membership.first, membership.last)
    ]


def is_on_roster(world: World, person_code: str, day: date) -> bool:
    return len(organisations_of(world, person_code, day)) > 0


def area_is_gone(world: World, obligation: Obligation, day: date) -> bool:
    if obligation.area_kind == "reach":
        return is_gone(the_reach(world, str(obligation.area)).retired_on, day)
    if obligation.area_kind == "grid_cell":
        return is_gone(the_cell(world, str(obligation.area)).retired_on, day)
    if obligation.area_kind == "stele":
        return is_gone(the_stele(world, str(obligation.area)).retired_on, day)
    return False


def letter_is_gone(world: World, obligation: Obligation, day: date) -> bool:
    for letter in world.letters:
        if letter.number == obligation.letter and is_gone(letter.retired_on, day):
            return True
    return False


def is_exempt(world: World, obligation: Obligation, day: date) -> bool:
    for exemption in world.exemptions:
        if not exemption.granted or is_gone(exemption.retired_on, day):
            continue
        if (exemption.holder_kind, exemption.holder) != (obligation.holder_kind, obligation.holder):
            continue
        if exemption.obligation is not None and exemption.obligation != obligation.code:
            continue
        if within(day, exemption.first, exemption.last):
            return True
    return False


def is_active(world: World, obligation: Obligation, day: date) -> bool:
    """Whether a patrol of that day could count for the obligation."""
    if world.count_from is not None and day < world.count_from:
        return False
    if not within(day, obligation.starts_on, obligation.ends_on):
        return False
    if day.month not in season_months(obligation.months):
        return False
    if is_gone(obligation.retired_on, day):
        return False
    if area_is_gone(world, obligation, day) or letter_is_gone(world, obligation, day):
        return False
    if obligation.holder_kind == "person":
        if not is_on_roster(world, obligation.holder, day):
            return False
    elif is_gone(the_organisation(world, obligation.holder).retired_on, day):
        return False
    return not is_exempt(world, obligation, day)


# --- Which patrol counts ------------------------------------------------------------------------


def day_of(patrol: Patrol) -> date:
    return patrol.started_at.astimezone(SHANGHAI).date()


def walkers(patrol: Patrol) -> list[str]:
    return [patrol.person] + [
        companion.person
        for companion in patrol.companions
        if not companion.declined and not companion.removed
    ]


def post_covers(world: World, post: Post, obligation: Obligation) -> bool:
    """Whether the obligation's area is the post's, or lies inside it."""
    if post.area_kind is None:
        return True
    if post.area_kind == obligation.area_kind and post.area == obligation.area:
        return True
    if post.area_kind == "waterbody":
        if obligation.area_kind == "reach":
            return the_reach(world, str(obligation.area)).waterbody == post.area
        if obligation.area_kind == "stele":
            reach = the_stele(world, str(obligation.area)).reach
            return reach is not None and the_reach(world, reach).waterbody == post.area
    if post.area_kind == "reach" and obligation.area_kind == "stele":
        return the_stele(world, str(obligation.area)).reach == post.area
    if post.area_kind == "grid_cell" and obligation.area_kind == "grid_cell":
        return post.area in cell_and_those_above(world, str(obligation.area))
    return False


def walks_for(world: World, obligation: Obligation, walker: str, day: date) -> bool:
    """Whether somebody's patrol is one by the obligation's holder."""
    if obligation.holder_kind == "organisation":
        for organisation in organisations_of(world, walker, day):
            if obligation.holder in organisation_and_those_above(world, organisation):
                return True
        return False
    return walker == obligation.holder or is_proxy(world, obligation, walker, day)


def is_proxy(world: World, obligation: Obligation, walker: str, day: date) -> bool:
    """Whether somebody stands in for the person who holds the obligation."""
    if obligation.holder_kind != "person":
        return False
    for post in world.posts:
        if (
            post.person == obligation.holder
            and post.deputy == walker
            and within(day, post.first, post.last)
            and not is_gone(post.retired_on, day)
            and post_covers(world, post, obligation)
        ):
            return True
    return False


def paired_reaches(world: World, obligation: Obligation, day: date) -> list[str]:
    if obligation.holder_kind == "organisation":
        departments = [obligation.holder]
    else:
        departments = organisations_of(world, obligation.holder, day)
    return [
        pairing.reach
        for pairing in world.pairings
        if pairing.department in departments
        and pairing.reach is not None
        and within(day, pairing.first, pairing.last)
        and not is_gone(pairing.retired_on, day)
    ]


def check_in_is_in_area(world: World, obligation: Obligation, check_in: CheckIn, day: date) -> bool:
    if obligation.area_kind == "any":
        return True
    if obligation.area_kind == "reach":
        return check_in.reach == obligation.area
    if obligation.area_kind == "grid_cell":
        return any(obligation.area in cell_and_those_above(world, cell) for cell in check_in.cells)
    if obligation.area_kind == "stele":
        stele = the_stele(world, str(obligation.area))
        if check_in.named_stele is not None:
            if check_in.named_stele != stele.code or check_in.named_distance_m is None:
                return False
            # A place picked on the chat's map says nothing of how sure it is.
            unsure = 100.0 if check_in.from_chat else min(check_in.accuracy_m or 0.0, 100.0)
            return check_in.named_distance_m <= stele.radius_m + unsure
        if check_in.nearest_stele != stele.code or check_in.nearest_distance_m is None:
            return False
        return check_in.nearest_distance_m <= stele.radius_m
    if obligation.area_kind == "paired":
        return check_in.reach in paired_reaches(world, obligation, day)
    raise ValueError(obligation.area_kind)


def paper_is_in_area(world: World, obligation: Obligation, paper: Paper, day: date) -> bool:
    if obligation.area_kind == "any":
        return True
    if obligation.area_kind == "grid_cell":
        return paper.area_kind == "grid_cell" and obligation.area in cell_and_those_above(
            world, str(paper.area)
        )
    if obligation.area_kind == "paired":
        return paper.area_kind == "reach" and paper.area in paired_reaches(world, obligation, day)
    return paper.area_kind == obligation.area_kind and paper.area == obligation.area


def place_and_photo_are_met(
    world: World, obligation: Obligation, patrol: Patrol, verdicts: list[str]
) -> bool:
    day = day_of(patrol)
    if patrol.paper is not None:
        if obligation.photo == "required" and not patrol.paper.photo:
            return False
        return paper_is_in_area(world, obligation, patrol.paper, day)
    for check_in in patrol.check_ins:
        if check_in.withdrawn or check_in.verdict not in verdicts:
            continue
        if obligation.photo == "required" and check_in.photos == 0:
            continue
        if check_in_is_in_area(world, obligation, check_in, day):
            return True
    return False


def patrol_counts(
    world: World, obligation: Obligation, patrol: Patrol, verdicts: list[str]
) -> bool:
    """Whether the patrol is one for the obligation when check-ins with those verdicts are good.

    Says nothing about whether its day is an active one.
    """
    day = day_of(patrol)
    if not any(walks_for(world, obligation, walker, day) for walker in walkers(patrol)):
        return False
    if obligation.kinds is not None and patrol.kind not in obligation.kinds:
        return False
    # Nothing is known of a paper patrol's or an open one's length: at least 0 is no condition.
    if obligation.min_minutes and (
        patrol.seconds is None or patrol.seconds < obligation.min_minutes * 60
    ):
        return False
    if obligation.min_metres and (patrol.metres is None or patrol.metres < obligation.min_metres):
        return False
    return place_and_photo_are_met(world, obligation, patrol, verdicts)


@dataclass(frozen=True)
class Credit:
    """That the nth patrol counts, or would if its flagged check-ins were accepted."""

    obligation: str
    day: date
    patrol: int
    pending: bool
    proxy: bool


def all_credits(world: World) -> set[Credit]:
    found = set()
    for obligation in world.obligations:
        for n, patrol in enumerate(world.patrols):
            day = day_of(patrol)
            if not is_active(world, obligation, day):
                continue
            if not patrol_counts(world, obligation, patrol, ["accepted", "flagged"]):
                continue
            pending = not patrol_counts(world, obligation, patrol, ["accepted"])
            proxy = obligation.holder_kind == "person" and obligation.holder not in walkers(patrol)
            found.add(Credit(obligation.code, day, n, pending, proxy))
    return found


def days_that_count(world: World, obligation: Obligation, verdicts: list[str]) -> set[date]:
    found = set()
    for patrol in world.patrols:
        day = day_of(patrol)
        if is_active(world, obligation, day) and patrol_counts(world, obligation, patrol, verdicts):
            found.add(day)
    return found


# --- The answer ---------------------------------------------------------------------------------


def owed_in(times: int, active: int, season: int) -> int:
    """A half rounds up; nothing is owed in a period without season days."""
    if season == 0:
        return 0
    whole, rest = divmod(times * active, season)
    return whole + 1 if 2 * rest >= season else whole


def slice_ends(active_days: list[date], owed: int) -> list[date]:
    """The last day of each slice: the first active day by which k of `owed` parts have passed."""
    found = []
    for k in range(1, owed + 1):
        number = 1
        while number * owed < len(active_days) * k:
            number += 1
        found.append(active_days[number - 1])
    return found


def state_of(
    owed: int, done: int, behind: int, slices: list[date], period_to: date, today: date
) -> str:
    if done >= owed:
        return "done"
    if today > period_to:
        return "overdue"
    if behind > 0:
        return "behind"
    for number, last_day in enumerate(slices, start=1):
        if last_day >= today:  # the running slice
            if (last_day - today).days <= 7 and done < number:
                return "due_soon"
            break
    return "on_track"


def answer(world: World, obligation: Obligation, today: date, of: date | None = None) -> Answer:
    """What is true on `today` of the window that contains `of`, which is the same unless given."""
    first, last = calendar_period(obligation.period, of or today)
    season = [d for d in days_between(first, last) if d.month in season_months(obligation.months)]
    active = [d for d in days_between(first, last) if is_active(world, obligation, d)]
    owed = owed_in(obligation.times, len(active), len(season))
    slices = slice_ends(active, owed)
    counted = {
        day
        for day in days_that_count(world, obligation, ["accepted"])
        if day in active and day <= today
    }
    hoped_for = {
        day
        for day in days_that_count(world, obligation, ["accepted", "flagged"])
        if day in active and day <= today
    }
    done = len(counted)
    due_by = len([day for day in slices if day < today])
    behind = max(0, due_by - done)
    return Answer(
        window_from=first,
        window_to=last,
        season_days=len(season),
        active_days=len(active),
        owed=owed,
        slices=slices,
        due_by=due_by,
        done=done,
        pending=len(hoped_for - counted),
        behind=behind,
        next_due_on=slices[done] if done < owed else None,
        state=state_of(owed, done, behind, slices, last, today),
    )
