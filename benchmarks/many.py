"""Many records for benchmarks, made by the database itself: patrols, check-ins, photos."""

import psycopg

_BRANCHES, _PEOPLE, _DAYS = 50, 500, 365

_ORGANISATIONS = """
    INSERT INTO organisations (id, code, name, kind, parent_id)
    SELECT gen_random_uuid(), 'MANY-' || n, '示例党支部' || n, 'branch', g.id
    FROM organisations g CROSS JOIN generate_series(1, %(branches)s) n WHERE g.code = 'BENCH'
"""
_ROSTER = """
    INSERT INTO people (id, code, name, organisation_id, role, party_member)
    SELECT gen_random_uuid(), 'MANY-' || n, '示例' || n, g.id, 'member', true
    FROM generate_series(0, %(people)s - 1) n
    JOIN organisations g ON g.code = 'MANY-' || 1 + n %% %(branches)s
"""
_CELLS = """
    INSERT INTO grid_cells (id, code, name, kind, organisation_id, geometry, bounds, area_m2,
      lineage)
    SELECT c.id, c.code, '示例网格' || c.code, 'general', c.organisation_id, '', box(point(0, 0),
      point(0, 0)), 1, ARRAY[c.id]
    FROM (SELECT gen_random_uuid() AS id, code, id AS organisation_id FROM organisations
          WHERE code LIKE 'MANY-%') c
"""
_PATROLS = """
    INSERT INTO patrols (id, person_id, organisation_id, kind, state, origin, started_at,
      started_on, finished_at, closed_by_us, distance_m, duration_s, points_kept, points_marked,
      received_at)
    SELECT CAST(lpad(to_hex(n), 32, '0') AS uuid), p.id, p.organisation_id, 'foot', 'finished',
      'phone', t.at, CAST(t.at AT TIME ZONE 'Asia/Shanghai' AS date), t.at + interval '1 hour',
      false, 1234.5, 3600, 0, 0, t.at
    FROM generate_series(0, %(count)s / 2 - 1) n
    CROSS JOIN LATERAL (SELECT CAST('2026-01-01T00:00:00+08:00' AS timestamptz)
      + make_interval(secs => n * (86400.0 * %(days)s * 2 / %(count)s)) AS at) t
    JOIN people p ON p.code = 'MANY-' || n %% %(people)s
"""
_CHECK_INS = """
    INSERT INTO check_ins (id, person_id, organisation_id, patrol_id, source, at, taken_on,
      received_at, lon, lat, accuracy_m, datum, raw_lon, raw_lat, grid_cell_id, grid_cell_ids,
      place, note, photos_expected, verdict, evidence, rules_version, content_digest)
    SELECT CAST('1' || lpad(to_hex(n), 31, '0') AS uuid), w.person_id, w.organisation_id, w.id,
      'mini_program', w.started_at + make_interval(mins => 5 * (n %% 2)), w.started_on,
      w.started_at + interval '1 hour', 103.0 + (n %% 1000) * 0.00001, 24.9 + n %% 977 * 0.00001,
      12.5, 'gcj02', 103.002, 24.897, c.id, ARRAY[c.id],
      jsonb_build_object('grid_cell', jsonb_build_object('code', c.code, 'name', c.name, 'path',
        jsonb_build_array(jsonb_build_object('code', c.code, 'name', c.name))), 'stele', null,
        'reach', jsonb_build_object('code', 'R-1', 'name', '示例河段', 'distance_m', 12.3)),
      CASE WHEN n %% 3 = 0 THEN '水清岸绿，无异常' END, 1,
      CASE WHEN n %% 50 = 0 THEN 'flagged' ELSE 'accepted' END,
      '[{"check": "accuracy", "limit": 100, "value": 12.5, "passed": true}]', 1, ''
    FROM generate_series(0, %(count)s - 1) n
    JOIN patrols w ON w.id = CAST(lpad(to_hex(n / 2), 32, '0') AS uuid)
    JOIN grid_cells c ON c.organisation_id = w.organisation_id
"""
_IMAGE = """
    INSERT INTO images (sha256, size, content_type, width, height, received_at, renditions_at)
    VALUES (decode(repeat('ab', 32), 'hex'), 1, 'image/jpeg', 1, 1, now(), now())
"""
_PHOTOS = """
    INSERT INTO photos (id, check_in_id, person_id, sha256, source, received_at)
    SELECT gen_random_uuid(), c.id, c.person_id, i.sha256, 'mini_program', c.received_at
    FROM check_ins c CROSS JOIN images i WHERE c.photos_expected = 1 AND c.verdict = 'accepted'
"""


def fill(url: str, count: int) -> None:
    """So many check-ins of one year, two a patrol, nearly all with a photo; below BENCH."""
    given = {"branches": _BRANCHES, "people": _PEOPLE, "days": _DAYS, "count": count}
    with psycopg.connect(url) as connection:
        for statement in (_ORGANISATIONS, _ROSTER, _CELLS, _PATROLS, _CHECK_INS, _IMAGE, _PHOTOS):
            connection.execute(statement, given if "%(" in statement else None)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
