"""Reminders: planned from the book of duties, delivered through what WeChat lets us use."""
