"""Know renditions by their bytes, too."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("images", sa.Column("large_sha256", sa.LargeBinary(), nullable=True))
    op.add_column("images", sa.Column("small_sha256", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("images", "small_sha256")
    op.drop_column("images", "large_sha256")
