"""`python -m winnow` is `winnow`."""

from winnow.search.cli.main import main

main()
