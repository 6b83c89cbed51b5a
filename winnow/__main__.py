"""`python -m winnow` is `winnow`."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the folder that it was started in, whose files must not stand for those of any library

from winnow.search.cli.main import main

main()
