"""The roll-up of visits by day."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Whatever door a check-in comes through, its day is marked in the transaction that changes it.
_MARK = """
    CREATE FUNCTION mark_visit_days() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'INSERT' THEN
        INSERT INTO stale_visit_days (day)
        SELECT DISTINCT n.taken_on FROM new_rows n
        WHERE n.verdict = 'accepted' AND n.withdrawn_at IS NULL AND n.grid_cell_ids <> '{}';
      ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO stale_visit_days (day)
        SELECT c.taken_on FROM old_rows o JOIN new_rows n USING (id)
        CROSS JOIN LATERAL (VALUES (o.taken_on), (n.taken_on)) AS c (taken_on)
        WHERE (o.verdict = 'accepted' AND o.withdrawn_at IS NULL, o.grid_cell_ids, o.at)
          IS DISTINCT FROM (n.verdict = 'accepted' AND n.withdrawn_at IS NULL, n.grid_cell_ids, n.at)
        GROUP BY c.taken_on;
      ELSE
        INSERT INTO stale_visit_days (day)
        SELECT DISTINCT o.taken_on FROM old_rows o
        WHERE o.verdict = 'accepted' AND o.withdrawn_at IS NULL;
      END IF;
      RETURN NULL;
    END $$
"""
_TABLES = {
    "INSERT": "NEW TABLE AS new_rows",
    "UPDATE": "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "OLD TABLE AS old_rows",
}


def upgrade() -> None:
    # Rather fail than queue behind a long transaction with every patroller waiting behind us.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "visit_days",
        sa.Column("grid_cell_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("grid_cell_id", "day", name=op.f("pk_visit_days")),
    )
    op.create_index(op.f("ix_visit_days_day"), "visit_days", ["day"], unique=False)
    op.create_table(
        "stale_visit_days",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stale_visit_days")),
    )
    # By day and for exports: whoever counts a day again reads that day only.
    op.create_index(op.f("ix_check_ins_at_id"), "check_ins", ["at", "id"], unique=False)
    op.execute(_MARK)
    for event, tables in _TABLES.items():
        op.execute(
            f"CREATE TRIGGER mark_visit_days_{event.lower()} AFTER {event} ON check_ins "
            f"REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION mark_visit_days()"
        )
    op.execute("INSERT INTO stale_visit_days (day) SELECT DISTINCT taken_on FROM check_ins")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for event in _TABLES:
        op.execute(f"DROP TRIGGER mark_visit_days_{event.lower()} ON check_ins")
    op.execute("DROP FUNCTION mark_visit_days()")
    op.drop_index(op.f("ix_check_ins_at_id"), table_name="check_ins")
    op.drop_table("stale_visit_days")
    op.drop_index(op.f("ix_visit_days_day"), table_name="visit_days")
    op.drop_table("visit_days")
