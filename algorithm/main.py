"""The file that an Ocean node runs; everything is in the package."""

import sys

if __name__ == "__main__":
    # Workers load this file too, under another name, and do not need the command line.
    from unionveil.cli import main

    sys.argv[1:1] = ["job"]
    main()
