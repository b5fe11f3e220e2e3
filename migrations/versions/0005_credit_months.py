"""The roll-up of credits by month, and what else decided about duties earlier."""

from collections.abc import Mapping
from typing import LiteralString

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Whatever door a credit comes through, its month is marked in the transaction that changes it.
_MARK = """
    CREATE FUNCTION mark_credit_months() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO stale_credit_months (obligation_id, month)
      SELECT DISTINCT c.obligation_id, CAST(date_trunc('month', CAST(c.counted_on AS timestamp)) AS date)
      FROM changed c;
      RETURN NULL;
    END $$
"""
_CHANGED = {"INSERT": "NEW", "UPDATE": "NEW", "DELETE": "OLD"}
_FILL = """
    INSERT INTO credit_months (obligation_id, month, days, pending)
    SELECT obligation_id, CAST(date_trunc('month', CAST(counted_on AS timestamp)) AS date),
      coalesce(bit_or(1 << (CAST(extract(day FROM counted_on) AS int) - 1))
        FILTER (WHERE NOT pending), 0),
      coalesce(bit_or(1 << (CAST(extract(day FROM counted_on) AS int) - 1))
        FILTER (WHERE pending), 0)
    FROM credits WHERE revoked_at IS NULL
    GROUP BY 1, 2
"""

# Nothing of people but where they belonged, and no shape of any place.
_DECIDING: Mapping[LiteralString, tuple[LiteralString, ...]] = {
    "organisations": ("parent_id", "retired_on"),
    "people": ("organisation_id", "retired_on"),
    "reaches": ("waterbody_id", "retired_on"),
    "grid_cells": ("parent_id", "retired_on"),
    "steles": ("reach_id", "retired_on"),
    "letters": ("retired_on",),
}


def _keep_earlier(table: LiteralString, columns: tuple[LiteralString, ...]) -> LiteralString:
    """What the columns said, where one of them changed."""
    content = ", ".join(f"'{column}', o.{column}" for column in columns)
    then, now = (", ".join(f"{row}.{column}" for column in columns) for row in ("o", "n"))
    return f"""
    CREATE FUNCTION keep_earlier_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO earlier_versions (subject, row_id, content, superseded_at)
      SELECT '{table}', o.id, jsonb_build_object({content}), now()
      FROM old_rows o JOIN new_rows n ON n.id = o.id
      WHERE ROW({then}) IS DISTINCT FROM ROW({now});
      RETURN NULL;
    END $$
    """  # noqa: S608  names of this page


# The book has one row, whose number is read as an id.
_KEEP_RULEBOOK = """
    CREATE FUNCTION keep_earlier_rulebook() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO earlier_versions (subject, row_id, content, superseded_at)
      SELECT 'rulebook', '00000000-0000-0000-0000-000000000001',
        jsonb_build_object('count_from', o.count_from), now()
      FROM old_rows o JOIN new_rows n ON n.id = o.id
      WHERE o.count_from IS DISTINCT FROM n.count_from;
      RETURN NULL;
    END $$
"""

# Every check-in changes the row of its outing: only what is rare is looked at, before any function.
_KEEP_PATROLS = """
    CREATE FUNCTION keep_earlier_patrols() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO earlier_versions (subject, row_id, content, superseded_at)
      VALUES ('patrols', OLD.id,
        jsonb_build_object('state', OLD.state, 'retired_on', OLD.retired_on), now());
      RETURN NULL;
    END $$
"""
_PATROLS_CHANGED = """
    CREATE TRIGGER keep_earlier_versions AFTER UPDATE OF state, retired_on ON patrols FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.retired_on IS DISTINCT FROM NEW.retired_on)
    EXECUTE FUNCTION keep_earlier_patrols()
"""


def upgrade() -> None:
    # Rather fail than queue behind a long transaction with every patroller waiting behind us.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "credit_months",
        sa.Column("obligation_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("pending", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("obligation_id", "month", name=op.f("pk_credit_months")),
    )
    op.create_table(
        "stale_credit_months",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("obligation_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stale_credit_months")),
    )
    op.create_index(
        op.f("ix_stale_credit_months_obligation_id_month"),
        "stale_credit_months",
        ["obligation_id", "month"],
        unique=False,
    )
    op.create_index(
        "ix_credits_revoked",
        "credits",
        ["obligation_id", "counted_on"],
        unique=False,
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.execute(_MARK)
    for event, rows in _CHANGED.items():
        op.execute(
            f"CREATE TRIGGER mark_credit_months_{event.lower()} AFTER {event} ON credits "
            f"REFERENCING {rows} TABLE AS changed "
            "FOR EACH STATEMENT EXECUTE FUNCTION mark_credit_months()"
        )
    op.execute(_FILL)
    for table, columns in _DECIDING.items():
        op.execute(_keep_earlier(table, columns))
    op.execute(_KEEP_RULEBOOK)
    for table in (*_DECIDING, "rulebook"):
        op.execute(
            f"CREATE TRIGGER keep_earlier_versions AFTER UPDATE ON {table} "
            "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "
            f"FOR EACH STATEMENT EXECUTE FUNCTION keep_earlier_{table}()"
        )
    op.execute(_KEEP_PATROLS)
    op.execute(_PATROLS_CHANGED)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table in (*_DECIDING, "rulebook", "patrols"):
        op.execute(f"DROP TRIGGER keep_earlier_versions ON {table}")
        op.execute(f"DROP FUNCTION keep_earlier_{table}()")
    for event in _CHANGED:
        op.execute(f"DROP TRIGGER mark_credit_months_{event.lower()} ON credits")
    op.execute("DROP FUNCTION mark_credit_months()")
    op.drop_index(
        "ix_credits_revoked",
        table_name="credits",
        postgresql_where=sa.text("revoked_at IS NOT NULL"),
    )
    op.drop_index(
        op.f("ix_stale_credit_months_obligation_id_month"), table_name="stale_credit_months"
    )
    op.drop_table("stale_credit_months")
    op.drop_table("credit_months")
