"""OGC API - Features, Part 1 (17-069r4): what crosses the wire under `/ogc`."""
