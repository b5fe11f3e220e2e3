"""What the database server says of itself."""

from collections.abc import Iterator
from datetime import datetime

import psycopg

from app.opening import Revisions
from app.services.diagnosis.findings import Finding, fail, ok, warn
from app.settings import Settings

_LEAST_POSTGRESQL = 150_000


def of_database(url: str, settings: Settings, *, now: datetime) -> list[Finding]:
    """Version, settings, schema, size, and whether its clock is ours. Blocks."""
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            return list(_look_at_database(connection, settings, now))
    except psycopg.Error as error:
        return [fail("数据库", f"连不上（{type(error).__name__}），请检查 XUNHE_DATABASE_URL。")]


def _look_at_database(
    connection: "psycopg.Connection[tuple[object, ...]]", settings: Settings, now: datetime
) -> Iterator[Finding]:
    version = connection.info.server_version
    number = f"PostgreSQL {version // 10_000}.{version % 10_000}"
    kind = "内置" if settings.database.url is None else "外部"
    if version < _LEAST_POSTGRESQL:
        yield fail("数据库", f"{number} 太旧，请升级到 15 或更新。")
    else:
        yield ok("数据库", f"{kind} {number}")
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        row = connection.execute("SELECT current_setting(%s)", [name]).fetchone()
        if row is not None and row[0] == "off":
            yield fail(f"数据库 {name}", "已关闭，断电会丢记录，请在 postgresql.conf 里打开。")
        else:
            yield ok(f"数据库 {name}", "已打开")
    yield _of_schema(connection, settings)
    row = connection.execute(
        "SELECT pg_size_pretty(pg_database_size(current_database())), clock_timestamp()"
    ).fetchone()
    if row is not None:
        yield ok("数据库大小", str(row[0]))
        yield _of_clock(row[1], now)


def _of_schema(connection: "psycopg.Connection[tuple[object, ...]]", settings: Settings) -> Finding:
    what, revisions = "数据库结构", Revisions.read()
    current: frozenset[object] = frozenset()
    if connection.execute("SELECT to_regclass('alembic_version')").fetchall() != [(None,)]:
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        current = frozenset(row[0] for row in rows)
    if current == revisions.newest:
        return ok(what, "最新")
    if not current <= revisions.known:
        return fail(what, "比本程序新，请升级本程序。")
    if settings.database.url is None:
        return warn(what, "不是最新，下次启动时自动更新。")
    return fail(what, "不是最新，请运行 xunhe migrate。")


def _of_clock(there: object, now: datetime) -> Finding:
    apart = abs((there - now).total_seconds()) if isinstance(there, datetime) else 0.0
    if now.year < 2026 or apart > 60:
        return fail("时钟", f"与数据库相差 {apart:.0f} 秒或年份不对，请打开自动校时（NTP）。")
    if apart > 5:
        return warn("时钟", f"与数据库相差 {apart:.0f} 秒，请打开自动校时（NTP）。")
    return ok("时钟", "与数据库一致")
