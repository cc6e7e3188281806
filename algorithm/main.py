"""The file that an Ocean node runs; everything is in the package."""

import sys

from unionveil.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["job"]
    main()
