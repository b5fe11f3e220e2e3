"""The dashboard in a real browser, before the real demo."""
