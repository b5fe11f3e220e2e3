"""Find check-ins by any of the cells that cover them."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix_check_ins_grid_cell_ids",
        "check_ins",
        ["grid_cell_ids"],
        unique=False,
        postgresql_using="gin",
    )


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index("ix_check_ins_grid_cell_ids", table_name="check_ins", postgresql_using="gin")
