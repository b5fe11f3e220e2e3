"""Profiles: what a page about a person, an organisation or a place says of it."""
