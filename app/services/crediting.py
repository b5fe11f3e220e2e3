"""Crediting: which credits ought to be there for patrols, as the beginning of a statement.

The rule of what counts stands here once, for whoever writes credits, compares them or asks what
would count.
"""

from typing import LiteralString

# Whether a visit `v` (reach_id, grid_cell_ids, stele_id) lies in the area of an obligation `b`, on
# the day of a patrol `p`.
IN_AREA: LiteralString = """
    CASE b.area_kind
      WHEN 'any' THEN true
      WHEN 'reach' THEN v.reach_id = b.reach_id
      WHEN 'grid_cell' THEN b.grid_cell_id = ANY(v.grid_cell_ids)
      WHEN 'stele' THEN v.stele_id = b.stele_id
      WHEN 'paired' THEN EXISTS (
        SELECT FROM pairings r
        WHERE r.reach_id = v.reach_id
          AND (r.from_on IS NULL OR r.from_on <= p.started_on)
          AND (r.to_on IS NULL OR r.to_on >= p.started_on)
          AND (r.retired_on IS NULL OR r.retired_on > p.started_on)
          AND (r.department_id = b.holder_organisation_id OR r.department_id IN (
            SELECT m.organisation_id FROM memberships m
            WHERE m.person_id = b.holder_person_id AND m.revoked_at IS NULL
              AND (m.from_on IS NULL OR m.from_on <= p.started_on)
              AND (m.to_on IS NULL OR m.to_on >= p.started_on))))
      ELSE false END
"""
# A check-in `i` as such a visit: the stele that it names, or else the one that stands there.
VISIT: LiteralString = """
    i.id, i.reach_id, i.grid_cell_ids,
    CASE WHEN i.stele_id IS NULL THEN CASE WHEN i.nearest_stele_within THEN i.nearest_stele_id END
      ELSE CASE WHEN i.stele_within THEN i.stele_id END END AS stele_id
"""

# Whether a visit `v` has its photo.
_PHOTO: LiteralString = "EXISTS (SELECT FROM photos h WHERE h.check_in_id = v.id)"


def _ought(
    photo: LiteralString = _PHOTO,
    which: LiteralString = "true",
    seen: LiteralString = "check_ins",
    before: LiteralString = "",
) -> LiteralString:
    """What ought to be there for the patrols, as a first part of a statement (`ought`).

    An organisation's obligations are met by its members of that day and those of its descendants; a
    post's deputy walks for the person who holds it. `photo`: what makes a visit one with a photo,
    `which`: which obligations, `seen`: which check-ins are looked at, `before`: a part before that.
    """
    accepted: LiteralString = f"""
      SELECT {VISIT} FROM {seen} i
      WHERE i.patrol_id = p.id AND i.withdrawn_at IS NULL AND i.verdict = 'accepted'
      UNION ALL
      -- On paper there is only the area that was patrolled.
      SELECT NULL, p.reach_id, pc.lineage, p.stele_id
      FROM (SELECT) AS one LEFT JOIN grid_cells pc ON pc.id = p.grid_cell_id
      WHERE p.origin = 'paper'
    """  # noqa: S608  parts of this page
    flagged: LiteralString = f"""
      SELECT {VISIT} FROM {seen} i
      WHERE i.patrol_id = p.id AND i.withdrawn_at IS NULL AND i.verdict = 'flagged'
    """  # noqa: S608
    fills: LiteralString = f"""
      {IN_AREA} AND (b.photo <> 'required' OR {photo}
        OR EXISTS (SELECT FROM late_entries l
                   WHERE l.patrol_id = p.id AND l.image_sha256 IS NOT NULL))
    """
    return f"""
    WITH RECURSIVE {before} outings AS MATERIALIZED (
      SELECT p.* FROM patrols p
      WHERE p.id = ANY(%(patrols)s) AND p.retired_on IS NULL
        AND p.started_on >= coalesce((SELECT count_from FROM rulebook), '-infinity')
    ), walkers AS MATERIALIZED (
      SELECT p.id AS patrol_id, p.started_on AS day, p.person_id FROM outings p
      UNION
      SELECT p.id, p.started_on, c.person_id FROM outings p
      JOIN companions c ON c.patrol_id = p.id AND c.removed_at IS NULL AND c.declined_at IS NULL
    ), homes AS (
      SELECT w.patrol_id, w.day, m.organisation_id FROM walkers w
      JOIN people h ON h.id = w.person_id AND (h.retired_on IS NULL OR h.retired_on > w.day)
      JOIN memberships m ON m.person_id = w.person_id AND m.revoked_at IS NULL
        AND (m.from_on IS NULL OR m.from_on <= w.day) AND (m.to_on IS NULL OR m.to_on >= w.day)
      UNION
      SELECT u.patrol_id, u.day, g.parent_id FROM homes u
      JOIN organisations g ON g.id = u.organisation_id AND g.parent_id IS NOT NULL
    ), claims AS (
      SELECT w.patrol_id, b.id AS obligation_id, false AS proxy FROM walkers w
      JOIN obligations b ON b.holder_person_id = w.person_id
      UNION ALL
      SELECT u.patrol_id, b.id, false FROM homes u
      JOIN obligations b ON b.holder_organisation_id = u.organisation_id
      UNION ALL
      SELECT w.patrol_id, b.id, true FROM walkers w
      JOIN posts t ON t.deputy_id = w.person_id
        AND (t.from_on IS NULL OR t.from_on <= w.day) AND (t.to_on IS NULL OR t.to_on >= w.day)
        AND (t.retired_on IS NULL OR t.retired_on > w.day)
      JOIN obligations b ON b.holder_person_id = t.person_id
      LEFT JOIN steles bs ON bs.id = b.stele_id
      LEFT JOIN reaches br ON br.id = coalesce(b.reach_id, bs.reach_id)
      LEFT JOIN grid_cells bc ON bc.id = b.grid_cell_id
      WHERE t.area_kind IS NULL
        OR (t.area_kind = 'waterbody' AND br.waterbody_id = t.waterbody_id)
        OR (t.area_kind = 'reach' AND br.id = t.reach_id)
        OR (t.area_kind = 'grid_cell' AND t.grid_cell_id = ANY(bc.lineage))
        OR (t.area_kind = 'stele' AND b.stele_id = t.stele_id)
    ), claimed AS (
      SELECT patrol_id, obligation_id, bool_and(proxy) AS proxy FROM claims GROUP BY 1, 2
    ), ought AS MATERIALIZED (
      SELECT b.id AS obligation_id, p.started_on AS day, p.id AS patrol_id,
        NOT s.counts AS pending, c.proxy
      FROM claimed c
      JOIN outings p ON p.id = c.patrol_id
      JOIN obligations b ON b.id = c.obligation_id
      LEFT JOIN people hp ON hp.id = b.holder_person_id
      LEFT JOIN organisations ho ON ho.id = b.holder_organisation_id
      LEFT JOIN reaches ar ON ar.id = b.reach_id
      LEFT JOIN grid_cells ac ON ac.id = b.grid_cell_id
      LEFT JOIN steles ast ON ast.id = b.stele_id
      LEFT JOIN letters al ON al.id = b.letter_id
      CROSS JOIN LATERAL (
        SELECT b.starts_on <= p.started_on AND (b.ends_on IS NULL OR b.ends_on >= p.started_on)
          AND p.started_on < coalesce(
            least(b.retired_on, hp.retired_on, ho.retired_on, ar.retired_on, ac.retired_on,
              ast.retired_on, al.retired_on), 'infinity')
          AND (b.months IS NULL OR CASE
            WHEN CAST(split_part(b.months, '-', 1) AS int)
              <= CAST(split_part(b.months, '-', -1) AS int)
            THEN extract(month FROM p.started_on) BETWEEN CAST(split_part(b.months, '-', 1) AS int)
              AND CAST(split_part(b.months, '-', -1) AS int)
            ELSE extract(month FROM p.started_on) >= CAST(split_part(b.months, '-', 1) AS int)
              OR extract(month FROM p.started_on) <= CAST(split_part(b.months, '-', -1) AS int)
            END)
          AND (coalesce(cardinality(b.kinds), 0) = 0 OR p.kind = ANY(b.kinds))
          AND (coalesce(b.min_minutes, 0) = 0 OR p.duration_s >= b.min_minutes * 60)
          AND (coalesce(b.min_metres, 0) = 0 OR p.distance_m >= b.min_metres)
          AND (b.holder_person_id IS NULL OR EXISTS (
            SELECT FROM memberships m
            WHERE m.person_id = b.holder_person_id AND m.revoked_at IS NULL
              AND (m.from_on IS NULL OR m.from_on <= p.started_on)
              AND (m.to_on IS NULL OR m.to_on >= p.started_on)))
          AND NOT EXISTS (
            SELECT FROM exemptions x
            WHERE (x.holder_person_id = b.holder_person_id
                OR x.holder_organisation_id = b.holder_organisation_id)
              AND (x.obligation_id IS NULL OR x.obligation_id = b.id) AND x.state = 'granted'
              AND p.started_on BETWEEN x.from_on AND x.to_on
              AND (x.retired_on IS NULL OR x.retired_on > p.started_on)) AS fits
      ) f
      CROSS JOIN LATERAL (
        -- Apart, so that the first that fits is the last that is looked at.
        SELECT CASE WHEN f.fits IS NOT TRUE THEN NULL
          WHEN EXISTS (SELECT FROM ({accepted}) v WHERE {fills}) THEN true
          WHEN EXISTS (SELECT FROM ({flagged}) v WHERE {fills}) THEN false END AS counts
      ) s
      WHERE s.counts IS NOT NULL AND {which}
    )
    """  # noqa: S608  parts of this page


OUGHT = _ought()
# The same had these check-ins a photo, of the obligations that ask for one.
OUGHT_WITH_PHOTOS = _ought("v.id = ANY(%(check_ins)s)", "b.photo = 'required'")
# New check-ins only add. Obligations that ask for minutes or metres may be met by earlier visits,
# now that the patrol is longer; for the others none but the new ones are looked at, so that the
# hundredth check-in of a patrol costs what the second did.
OUGHT_BY_NEW = _ought(
    before="news AS MATERIALIZED (SELECT * FROM check_ins WHERE id = ANY(%(check_ins)s)),",
    seen="""(
        SELECT * FROM news WHERE patrol_id = p.id
        UNION ALL
        SELECT * FROM check_ins WHERE patrol_id = p.id
          AND coalesce(b.min_minutes, 0) + coalesce(b.min_metres, 0) > 0
    )""",
)
