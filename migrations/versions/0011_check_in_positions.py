"""Find check-ins by where they were made."""

from alembic import op
from sqlalchemy import text

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_check_ins_position",
        "check_ins",
        [text("point(lon, lat)")],
        unique=False,
        postgresql_using="gist",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_check_ins_position", table_name="check_ins", postgresql_using="gist")
