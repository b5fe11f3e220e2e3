"""Exports: whole tables as files, streamed from one state of the database."""
