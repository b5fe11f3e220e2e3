"""Indexes of lists and exports."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(op.f("ix_patrols_started_at_id"), "patrols", ["started_at", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_patrols_started_at_id"), table_name="patrols")
