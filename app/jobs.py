"""The tasks: three-line functions that call a service."""
