"""`python -m app.cli`, for where the script is not installed."""

from app.cli import main

main()
