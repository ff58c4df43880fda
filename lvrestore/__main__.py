"""`python -m lvrestore` is the same as the console script."""

from lvrestore.cli import main

if __name__ == "__main__":
    main()
