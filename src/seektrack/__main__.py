"""``python -m seektrack``: the command line."""

from seektrack.cli import main

main()
