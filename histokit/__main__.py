"""`python -m histokit` is the same as `histokit`."""

from histokit.cli.app import main

if __name__ == "__main__":
    main()
