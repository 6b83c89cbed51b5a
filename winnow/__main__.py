"""`winnow`, and `python -m winnow`."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the folder that it was started in, whose files must not stand for those of any library

from winnow.search.cli import start


def main() -> None:
    """Run the command line; what it imports is imported here, where a Ctrl-C ends it without a word."""
    start.begin()
    from winnow.search.cli import main as commands

    commands.main()


if __name__ == "__main__":
    main()
