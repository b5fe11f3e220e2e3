"""Bulletins."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _text(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=32)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "bulletins",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("state", _text("bulletinstate", "draft", "final"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("opening", sa.Text(), nullable=False),
        sa.Column("closing", sa.Text(), nullable=False),
        sa.Column("remarks", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("drafted_by_id", sa.Uuid(), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("signed_by_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(state = 'final') = (content IS NOT NULL AND digest IS NOT NULL "
            "AND known_at IS NOT NULL AND signed_by_id IS NOT NULL)",
            name=op.f("ck_bulletins_final_is_whole"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_bulletins_organisation_id")
        ),
        sa.ForeignKeyConstraint(
            ["drafted_by_id"], ["people.id"], name=op.f("fk_bulletins_drafted_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["signed_by_id"], ["people.id"], name=op.f("fk_bulletins_signed_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulletins")),
        sa.UniqueConstraint(
            "organisation_id", "period", name=op.f("uq_bulletins_organisation_id_period")
        ),
    )
    op.create_index(op.f("ix_bulletins_drafted_by_id"), "bulletins", ["drafted_by_id"])
    op.create_index(op.f("ix_bulletins_signed_by_id"), "bulletins", ["signed_by_id"])
    op.create_table(
        "bulletin_files",
        sa.Column("bulletin_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _text("documentkind", "docx", "xlsx"), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bulletin_id"], ["bulletins.id"], name=op.f("fk_bulletin_files_bulletin_id")
        ),
        sa.PrimaryKeyConstraint("bulletin_id", "kind", name=op.f("pk_bulletin_files")),
    )
    op.create_table(
        "bulletin_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _text("documentkind", "docx", "xlsx"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_by_id", sa.Uuid(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_bulletin_templates_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["uploaded_by_id"], ["people.id"], name=op.f("fk_bulletin_templates_uploaded_by_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulletin_templates")),
    )
    op.create_index(
        op.f("ix_bulletin_templates_organisation_id"), "bulletin_templates", ["organisation_id"]
    )
    op.create_index(
        op.f("ix_bulletin_templates_uploaded_by_id"), "bulletin_templates", ["uploaded_by_id"]
    )
    op.create_index(
        "uq_bulletin_templates_in_force",
        "bulletin_templates",
        ["organisation_id", "kind"],
        unique=True,
        postgresql_where=sa.text("replaced_at IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("bulletin_templates")
    op.drop_table("bulletin_files")
    op.drop_table("bulletins")
