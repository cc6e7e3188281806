"""Starts one of the commands from a checkout, installed or not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def launch(command: str) -> None:
    """Runs `unionveil_ocean.commands.<command>`; if a package is missing, ends with one sentence."""
    sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "algorithm"))
    try:
        module = importlib.import_module(f"unionveil_ocean.commands.{command}")
    except KeyboardInterrupt:
        sys.stderr.write(f"{command}: interrupted before it began\n")
        sys.exit(130)
    except ImportError as error:
        missing = error.name or str(error)
    except Exception as failure:
        if type(failure).__name__ != "MissingExtra":
            raise
        missing = str(getattr(failure, "package", failure))
    else:
        module.main()
        return
    how = "install the packages for publishing: pip install '.[ocean]'"
    sys.exit(f"{command}: the package {missing!r} is missing; {how}")
