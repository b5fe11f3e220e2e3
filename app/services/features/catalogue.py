"""The catalogue: which collections there are, and which of them are open to whom."""

from collections.abc import Sequence

from app.errors import Forbidden, NotFound, Unauthenticated
from app.services import access
from app.services.access import Caller
from app.services.features.check_ins import CHECK_INS
from app.services.features.collection import Collection
from app.services.features.grid_cells import GRID_CELLS
from app.services.features.problems import PROBLEMS
from app.services.features.reaches import REACHES
from app.services.features.steles import STELES
from app.services.features.waterbodies import WATERBODIES

COLLECTIONS: Sequence[Collection] = (
    WATERBODIES,
    REACHES,
    GRID_CELLS,
    STELES,
    CHECK_INS,
    PROBLEMS,
)


def open_to(caller: Caller | None) -> list[Collection]:
    """The collections that the caller may read, in the order of the catalogue."""
    reads_all = caller is not None and (caller.api_key is not None or caller.is_manager)
    return [each for each in COLLECTIONS if reads_all or not each.guarded]


def find(caller: Caller | None, id_: str) -> Collection:
    """The collection of that id, if the caller may read it.

    Raises `NotFound`, and for a guarded one `Unauthenticated`, `NotBound` or `Forbidden`.
    """
    for each in open_to(caller):
        if each.id == id_:
            return each
    if all(each.id != id_ for each in COLLECTIONS):
        raise NotFound("没有这个图层。")
    if caller is None:
        raise Unauthenticated(
            "这个图层需要程序密钥：请求头写 Authorization: Bearer xk_…，"
            "或用 Basic 认证，密码填密钥。",
            # The only one by which a browser asks; several in one line it does not read.
            challenge='Basic realm="xunhe", charset="UTF-8"',
        )
    access.person_of(caller)
    raise Forbidden("这个图层只供管理员和程序密钥读取。")
