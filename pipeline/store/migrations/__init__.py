"""Alembic's migrations: store/schema.py runs them; a new one is made by hand after the last in `versions`."""
