"""Problems: what a map says of them. Nothing is served until there is a table and a source."""

from app.services.features.collection import Collection, Kind, Property

PROBLEMS = Collection(
    id="problems",
    title="问题",
    description="巡河或公众发现的问题及其办理情况。需要管理员登录或程序密钥。",
    geometry_types=("Point",),
    properties=(
        Property("at", "发现时间", Kind.instant),
        Property("category", "类别"),
        Property(
            "severity",
            "程度（normal 一般，urgent 紧急，critical 严重）",
            choices=("normal", "urgent", "critical"),
        ),
        Property("state", "办理状态"),
        Property("organisation", "责任单位编码"),
        Property("grid_cell", "网格编码"),
        Property("reach", "河段编码"),
        Property("stele", "界碑编码"),
        Property("due_at", "办结期限", Kind.instant),
    ),
    filters=("category", "severity", "state", "organisation"),
    source=None,
    guarded=True,
)
