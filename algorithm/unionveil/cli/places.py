"""Places on a command line: paths on this machine, and URIs of object stores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

from ..engines.resources import member_bytes
from ..errors import ConfigError, InputError
from ..files.paths import is_folder, is_there
from ..files.sinks import FolderSink, Place, Sink
from ..files.sources import PathSource, Patterns
from ..files.store_sink import StoreSink
from ..files.store_source import StoreSource
from ..files.stores import Store, StoreUrl, is_store_url
from ..video.extra import has_video

__all__ = ["AnySource", "PlaceType", "sink_into", "source_of"]

AnySource: TypeAlias = "PathSource | StoreSource"


class PlaceType(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic in newer click
    """A path, or `s3://`, `gs://` or `az://`.

    Args:
        folder: whether a path to a file is refused.
    """

    name = "path"

    def __init__(self, *, folder: bool = False) -> None:
        self._folder = folder

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Place:
        """Converts a value, as click requires."""
        if isinstance(value, Path | StoreUrl):
            return value
        if not is_store_url(str(value)):
            path = Path(value)
            if self._folder and is_there(path) and not is_folder(path):
                self.fail(f"{value} is a file; name a folder", param, ctx)
            return path
        try:
            return StoreUrl.parse(str(value))
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def source_of(
    named: Sequence[Place],
    leave_out: Sequence[Path],
    patterns: Patterns,
    *,
    follow_links: bool,
) -> AnySource:
    """The inputs in places of one kind; videos are inputs where the extra for them is installed.

    Args:
        named: the places that the user named; at least one.
        leave_out: files and folders that are not inputs.
        patterns: which files are inputs.
        follow_links: whether links in folders are followed.

    Raises:
        InputError: a place does not exist or is empty, or the places differ in kind.
        StoreError: an object store cannot be listed.
    """
    urls = [place for place in named if isinstance(place, StoreUrl)]
    paths = [place for place in named if isinstance(place, Path)]
    if urls and paths:
        raise InputError("name places in object stores or on this machine, not both")
    source: AnySource
    videos = has_video()
    if urls:
        stores = [Store(url) for url in urls]
        source = StoreSource(stores, patterns=patterns, member_bytes=member_bytes(), videos=videos)
    else:
        source = PathSource(
            paths,
            leave_out=leave_out,
            follow_links=follow_links,
            patterns=patterns,
            member_bytes=member_bytes(),
            videos=videos,
        )
    if not len(source):
        raise InputError("your inputs contain no file; name photos, folders or archives")
    return source


def sink_into(output: Place, named: Sequence[Place], *, overwrite: bool) -> Sink:
    """The sink for an output place.

    Args:
        output: a folder or a place in an object store.
        named: inputs, which are never written to.
        overwrite: as `FolderSink`.

    Raises:
        OutputError: the output is in an input, or cannot be written to.
    """
    if isinstance(output, StoreUrl):
        urls = [place for place in named if isinstance(place, StoreUrl)]
        return StoreSink(Store(output), overwrite=overwrite, inputs=urls)
    paths = [place for place in named if isinstance(place, Path)]
    return FolderSink(output, overwrite=overwrite, inputs=paths)
