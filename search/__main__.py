"""`python -m search` is `winnow`."""

from search.cli import main

main()
