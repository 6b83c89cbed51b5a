"""The commands of `winnow`, by what a person is at."""
