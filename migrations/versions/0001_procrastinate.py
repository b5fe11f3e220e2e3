"""The job queue's own tables, types and functions, as procrastinate brings them.

The schema is taken from the installed package, whose version the lock pins; a test compares its
hash. When an upgrade of procrastinate changes the schema, a new revision runs those scripts of
`procrastinate/sql/migrations` that are newer than 3.10.0, each guarded by what it makes being
absent (a database that begins with this revision has it already), and the test's hash moves on.
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Straight to the driver: the schema holds many statements and the per cent signs of RAISE.
    op.get_bind().connection.cursor().execute(SchemaManager.get_schema())


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        """
        DO $$
        DECLARE
            doomed text;
        BEGIN
            DROP TABLE procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs,
                procrastinate_workers CASCADE;
            FOR doomed IN
                SELECT oid::regprocedure::text FROM pg_proc
                WHERE proname LIKE 'procrastinate\\_%' AND pronamespace = current_schema()::regnamespace
            LOOP
                EXECUTE 'DROP FUNCTION ' || doomed || ' CASCADE';
            END LOOP;
            DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_status,
                procrastinate_job_event_type;
        END $$
        """
    )
