"""Runs the command: `python -m pagebuddy` does the same as `pagebuddy`."""

from pagebuddy.tools.command import main

if __name__ == "__main__":
    main()
