"""What an import did not overwrite, and finding edits by their time."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "roster_conflicts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stem", sa.Text(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("said", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_by_id", sa.Uuid(), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open", "kept", "taken", name="conflictstate", native_enum=False,
                create_constraint=True, length=32,
            ),
            nullable=False,
        ),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["decided_by_id"], ["people.id"], name=op.f("fk_roster_conflicts_decided_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["edited_by_id"], ["people.id"], name=op.f("fk_roster_conflicts_edited_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roster_conflicts")),
        sa.UniqueConstraint("stem", "row_id", name=op.f("uq_roster_conflicts_stem_row_id")),
    )  # fmt: skip
    for column in ("decided_by_id", "edited_by_id"):
        op.create_index(op.f(f"ix_roster_conflicts_{column}"), "roster_conflicts", [column])
    # An import asks what managers edited since its files were written; most entries are no edits.
    op.create_index(
        "ix_audit_entries_edits",
        "audit_entries",
        ["at"],
        postgresql_where=sa.text("action IN ('create', 'edit')"),
    )


def downgrade() -> None:
    op.drop_index("ix_audit_entries_edits", "audit_entries")
    op.drop_table("roster_conflicts")
