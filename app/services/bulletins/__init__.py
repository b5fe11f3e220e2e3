"""Bulletins: the periodic report of an office, drafted, edited, signed, never changed after."""
