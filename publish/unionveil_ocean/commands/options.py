"""Options of commands as frozen dataclasses: each field carries the click option that fills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., object])

CHECKOUT = Path(__file__).resolve().parents[3]

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


def option(*flags: str, default: Any = None, **settings: Any) -> Any:
    """A field of a dataclass of options.

    Args:
        *flags: as for `click.option`, without a name.
        default: of field and option.
        **settings: as for `click.option`.
    """
    if settings.get("multiple"):
        default = ()
    elif settings.get("is_flag"):
        default = False
    return field(default=default, metadata={"flags": flags, "settings": {"default": default, **settings}})


def takes(**kinds: type) -> Callable[[_Command], _Command]:
    """Adds the options of dataclasses to a command, which gets one object of each.

    Args:
        **kinds: dataclasses, by the name of the command's argument.
    """

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def call(**given: object) -> object:
            groups = {
                name: kind(**{one.name: given.pop(one.name) for one in fields(kind)})
                for name, kind in kinds.items()
            }
            return command(**groups, **given)

        decorated: Any = call
        for one in reversed([one for kind in kinds.values() for one in fields(kind)]):
            decorated = click.option(*one.metadata["flags"], one.name, **one.metadata["settings"])(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate
