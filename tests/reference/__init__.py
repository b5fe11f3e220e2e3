"""Slow, obvious references, written from the rules' text and knowing nothing of the product."""
