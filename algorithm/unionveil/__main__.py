"""`python -m unionveil`."""

from .cli import main

if __name__ == "__main__":
    main()
