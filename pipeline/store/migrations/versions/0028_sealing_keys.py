"""Which keys seal what is stored, and how far what older ones sealed has been sealed anew.

New tables only: a program of before does not see them.
"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE sealing_keys (
            key_id text NOT NULL,
            first_used_at timestamptz NOT NULL DEFAULT now(),
            unused_since timestamptz,
            CONSTRAINT sealing_keys_pkey PRIMARY KEY (key_id)
        );
        CREATE TABLE reseals (
            sealed_table text NOT NULL,
            key_id text NOT NULL,
            after text,
            resealed bigint NOT NULL DEFAULT 0,
            began_at timestamptz NOT NULL DEFAULT now(),
            ended_at timestamptz,
            CONSTRAINT reseals_pkey PRIMARY KEY (sealed_table)
        )
        """
    )
