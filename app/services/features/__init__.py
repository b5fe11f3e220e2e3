"""Features: what stands on the map, as collections that any map program can read page by page."""
