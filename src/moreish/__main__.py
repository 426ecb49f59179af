"""`python -m moreish`."""

from moreish.cli import main

if __name__ == "__main__":
    main()
