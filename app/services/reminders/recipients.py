"""Recipients: whom a shortfall is told to, and who is one level above them.

A person's duty is told to that person. An organisation's is told to its liaisons of that day,
without one to its managers, without any to the nearest ancestor's. Above somebody are the managers
of their own organisation, above those the managers of the nearest ancestor that has any.
"""

from datetime import date
from typing import Any, LiteralString

from psycopg import AsyncConnection

# Who is to be told what concerns an organisation, as (organisation_id, person_id, rank): liaisons
# before managers. A manager's desk: its managers, or where it has none whoever administers the
# system from there.
STAFF: LiteralString = """
    WITH there AS (
      SELECT p.id, p.organisation_id, p.role FROM people p
      WHERE (p.from_on IS NULL OR p.from_on <= %(day)s)
        AND (p.to_on IS NULL OR p.to_on >= %(day)s)
        AND (p.retired_on IS NULL OR p.retired_on > %(day)s)
    )
    SELECT DISTINCT coalesce(t.organisation_id, p.organisation_id) AS organisation_id,
      p.id AS person_id, 1 AS rank
    FROM posts t JOIN there p ON p.id = t.person_id
    WHERE t.kind = 'liaison'
      AND (t.from_on IS NULL OR t.from_on <= %(day)s) AND (t.to_on IS NULL OR t.to_on >= %(day)s)
      AND (t.retired_on IS NULL OR t.retired_on > %(day)s)
    UNION ALL
    SELECT p.organisation_id, p.id, 2 FROM there p
    WHERE p.role = 'manager' OR (p.role = 'admin' AND NOT EXISTS (
      SELECT FROM there o WHERE o.organisation_id = p.organisation_id AND o.role = 'manager'))
"""
_STAFF: LiteralString = f"CREATE TEMP TABLE plan_staff ON COMMIT DROP AS {STAFF}"
_CHAIN = """
    CREATE TEMP TABLE plan_chain ON COMMIT DROP AS
    WITH RECURSIVE concerned AS (
      SELECT organisation_id FROM plan_needing
      UNION
      SELECT organisation_id FROM plan_unmet
      UNION
      SELECT i.organisation_id FROM check_ins i
      WHERE i.verdict = 'flagged' AND i.withdrawn_at IS NULL
      UNION
      SELECT p.organisation_id FROM calls c JOIN people p ON p.id = c.person_id
      WHERE c.phoned_at IS NULL AND c.closed_at IS NULL
    ), chain AS (
      SELECT organisation_id AS start, organisation_id, 0 AS depth FROM concerned
      UNION ALL
      SELECT c.start, g.parent_id, c.depth + 1 FROM chain c
      JOIN organisations g ON g.id = c.organisation_id AND g.parent_id IS NOT NULL
    )
    SELECT * FROM chain
"""
# Who stands above an organisation, from the bottom up: liaisons on odd levels, managers on even.
_DESKS = """
    CREATE TEMP TABLE plan_desks ON COMMIT DROP AS
    SELECT c.start AS organisation_id, 2 * c.depth + s.rank AS level, s.person_id
    FROM plan_chain c JOIN plan_staff s ON s.organisation_id = c.organisation_id
"""
_TOLD = """
    CREATE TEMP TABLE plan_told ON COMMIT DROP AS
    SELECT n.*, p.id AS person_id, CASE WHEN p.role = 'member' THEN 1 ELSE 2 END AS level
    FROM plan_needing n JOIN people p ON p.id = n.holder_person_id
    WHERE (p.from_on IS NULL OR p.from_on <= %(day)s)
      AND (p.to_on IS NULL OR p.to_on >= %(day)s)
      AND (p.retired_on IS NULL OR p.retired_on > %(day)s)
    UNION ALL
    SELECT n.*, d.person_id, d.level
    FROM plan_needing n
    JOIN (SELECT *, min(level) OVER (PARTITION BY organisation_id) AS nearest FROM plan_desks) d
      ON d.organisation_id = n.holder_organisation_id AND d.level = d.nearest
"""
# The nearest managers above whoever was told, none of whom was; for the obligations in `ripe`.
ABOVE: LiteralString = """
    SELECT * FROM (
      SELECT n.*, d.person_id, d.level, min(d.level) OVER (PARTITION BY n.obligation_id) AS nearest
      FROM (
        SELECT o.obligation_id, max(o.level) AS level
        FROM plan_told o JOIN ripe ON ripe.obligation_id = o.obligation_id GROUP BY 1
      ) t
      JOIN plan_needing n ON n.obligation_id = t.obligation_id
      JOIN plan_desks d ON d.organisation_id = n.organisation_id AND mod(d.level, 2) = 0
        AND d.level > t.level
      WHERE NOT EXISTS (SELECT FROM plan_told o
                        WHERE o.obligation_id = n.obligation_id AND o.person_id = d.person_id)
    ) up WHERE level = nearest
"""
TABLES: LiteralString = "plan_staff, plan_chain, plan_desks, plan_told"


async def find(connection: AsyncConnection[Any], day: date) -> None:
    """Fill `plan_told` (what needs doing, for whom) and `plan_desks` from `plan_needing`.

    The chains also begin where `plan_unmet` does.
    """
    for make in (_STAFF, _CHAIN, _DESKS, _TOLD):
        await connection.execute(make, {"day": day}, prepare=False)
    for analyze in ("ANALYZE plan_desks", "ANALYZE plan_told"):
        await connection.execute(analyze)
