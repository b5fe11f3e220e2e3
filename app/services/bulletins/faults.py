"""Faults: what an office's own template may have wrong."""


class BadTemplate(Exception):
    """What is wrong with a template, as a Chinese sentence."""
