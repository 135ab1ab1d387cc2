"""`python -m pagebuddy` is the command `pagebuddy`."""

from pagebuddy.tools.command import main

if __name__ == "__main__":
    main()
