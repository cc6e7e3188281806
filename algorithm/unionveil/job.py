"""The Ocean compute job: photos in, `/data/outputs` out, and nothing that identifies anyone in logs.

Nodes store inputs in one flat folder, `/data/inputs`; older operators use a folder for each data set. Files
of the node's own storage are mounted as `/data/persistentStorage/BUCKET/FILE` (ocean-node,
`PersistentStorageLocalFS.getDockerMountObject`). All are read in the same way: every file below these two
folders is an input, except the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from . import __version__
from .config import EMOJI, VIDEO_SETTINGS, AnonymizeConfig, KSame, parameters
from .engines.pool import PoolEngine
from .engines.resources import default_jobs, member_bytes
from .errors import ConfigError, InputError
from .files.sinks import FolderSink
from .files.sources import PathSource, Source, SourceItem
from .identity.optout import OPTOUT, read_optout
from .models.cards import DETECTORS
from .models.inference import EngineSetting
from .pace import Pace
from .parameters import Parameter
from .runs.batch import run_batch
from .runs.ksame import planned
from .runs.plan import Plan
from .runs.schema import Counts, Record, RejectedRecord
from .runs.shards import Shard, ShardOfRun, ShardSource, check_shardable, salt_of
from .runs.work import Anonymize
from .text import counted

__all__ = [
    "PARAMETERS_FILE",
    "JobDone",
    "JobRequest",
    "config_of",
    "job_parameters",
    "read_parameters",
    "request_of",
    "run_job",
]

PARAMETERS_FILE = "algoCustomData.json"

_INPUTS, _STORED = "inputs", "persistentStorage"
"""Folders of inputs: files that the node fetched, and those of its own storage."""

_NO_PHOTO = "the data set contains no photo; put photos, or an archive of them, into it"

_LEAST_K = 3
"""With k = 2, a buyer who knows one of the two people by sight could identify the other as well."""

_COVERS = ("face", "head", "face,text", "head,text", "face,plate", "head,plate")
"""Kinds that a buyer may choose to cover; people are always among them."""

_COVER_TEXT = (
    "What is covered: faces, or whole heads (with hair, ears and chin); with plate also number plates; with "
    "text number plates, badges and screens, in images that were built with --text."
)

_DETAILS = ("standard", "crowd")
"""Levels of detail that a buyer may choose: the default and the one that finds more."""

_DETAIL_TEXT = "crowd: for hundreds of small faces, slower."

_SHARD_INDEX = Parameter(
    "shard_index",
    "integer",
    "0",
    (),
    "Which part of the data set this job covers, from 0; with shard_count.",
)
_SHARD_COUNT = Parameter(
    "shard_count",
    "integer",
    "1",
    (),
    "Parts of the data set, for as many jobs; unionveil merge puts their outputs together.",
)


@dataclass(frozen=True)
class JobRequest:
    """The request of a job's buyer.

    Attributes:
        config: settings.
        shard: the part of the data set; None for all of it.
    """

    config: AnonymizeConfig
    shard: Shard | None


@dataclass(frozen=True)
class JobDone:
    """The result of a job.

    Attributes:
        counts: totals.
        shard: the part of the data set; None for all of it.
    """

    counts: Counts
    shard: Shard | None

    @property
    def is_whole_success(self) -> bool:
        """Whether every input has an output."""
        return not self.counts.rejected


_NOT_OFFERED = VIDEO_SETTINGS | {
    *("digest_salt", "engine", "select", "embedder"),
    *("min_face", "max_face", "keep_metadata", "gps_decimals"),
    *("mirror", "check_outputs", "names"),
}


def job_parameters() -> tuple[Parameter, ...]:
    """The settings that a buyer of the job may choose, in flat form.

    A buyer may choose covers that are larger than the defaults, never smaller ones. Not offered are the salt,
    with which a buyer could test whether a photo is in the data set; the engine, which depends on the image;
    settings that name files; settings about known people, with which a buyer could find a person;
    settings that leave faces visible by their size, search or check less than the defaults, or keep names,
    places and dates of photos.
    """
    offered = [_for_buyers(parameter) for parameter in parameters() if not _is_withheld(parameter)]
    return (*offered, _SHARD_INDEX, _SHARD_COUNT)


def _for_buyers(parameter: Parameter) -> Parameter:
    """A setting with the choices that the job allows, and its bound in the description."""
    match parameter.name:
        case "picture":
            parameter = replace(parameter, kind="select", choices=EMOJI, description="Emoji.")
        case "surrogate":
            what = "mean (of theirs) or synthetic (a person who does not exist)."
            parameter = replace(
                parameter,
                kind="select",
                choices=("mean", "synthetic"),
                description=f"The face that k people share: {what}",
            )
        case "cover":
            parameter = replace(parameter, kind="select", choices=_COVERS, description=_COVER_TEXT)
        case "detail":
            parameter = replace(parameter, choices=_DETAILS, description=_DETAIL_TEXT)
        case "detector":
            names = ", ".join(name for name in DETECTORS if name != "yolo")
            parameter = replace(parameter, description=f"Detectors, separated by commas: {names}.")
        case _:
            pass
    limit = _limits().get(parameter.name)
    if limit is None:
        return parameter
    return replace(parameter, description=f"{parameter.description} In the compute job, {limit.sentence}.")


def _is_withheld(parameter: Parameter) -> bool:
    return parameter.name in _NOT_OFFERED or parameter.tag == "select"


def read_parameters(path: Path) -> JobRequest:
    """The request in the file that the node writes; a missing file, an empty one and `{}` give the defaults.

    Raises:
        ConfigError: not a JSON object, an unknown parameter, or a value that is not allowed.
    """
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        given = from_json(text) if text.strip() else {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"the parameters are not JSON: {error}") from error
    if not isinstance(given, dict):
        raise ConfigError("the parameters must be a JSON object of names and values")
    return request_of(given)


def config_of(given: Mapping[str, Any]) -> AnonymizeConfig:
    """The settings of `request_of`."""
    return request_of(given).config


def request_of(given: Mapping[str, Any]) -> JobRequest:
    """Checks parameters as the job does; see `AnonymizeConfig.from_parameters`.

    Markets fill a form with the default of every parameter and send all of them, for every method.
    Empty values, and defaults of other methods, are ignored; so is 0 for a number without its own
    default, because market forms compute `Number("")`, which is 0.

    Raises:
        ConfigError: an unknown parameter, a value that is not allowed, or one that names a file.
    """
    offered = {parameter.name: parameter for parameter in job_parameters()}
    withheld = {parameter.name for parameter in parameters()} - offered.keys()
    kept = {}
    for name, value in given.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ConfigError(f"parameter {name!r} must be a string or a number")
        if name in withheld:
            raise ConfigError(f"parameter {name!r} is not offered by the compute job")
        parameter = offered.get(name)
        if parameter:
            is_unused = _is_unused(parameter, given, offered)
            if value == "" or _is_unset(value, parameter) or (is_unused and _is_default(value, parameter)):
                continue
            if parameter.choices and value not in parameter.choices:
                raise ConfigError(f"{name}: {value!r} is not one of {', '.join(parameter.choices)}")
        kept[name] = value
    shard = _shard(kept.pop("shard_index", 0), kept.pop("shard_count", 1))
    config = AnonymizeConfig.from_parameters(kept)
    if shard:
        check_shardable(config)
    if any(name.startswith("yolo") for name in config.detector):
        raise ConfigError("detector: 'yolo' needs a file and is not offered by the compute job")
    _check_covers_enough(config)
    return JobRequest(config, shard)


@dataclass(frozen=True)
class _Limit:
    """A bound on what a buyer may choose.

    Attributes:
        sentence: the bound, as part of a sentence.
        holds: whether settings keep to it.
    """

    sentence: str
    holds: Callable[[AnonymizeConfig], bool]


def _limits() -> dict[str, _Limit]:
    """The bounds by setting: nothing may cover less than the defaults do. `_for_buyers` bounds choices."""
    default = AnonymizeConfig()
    most = max(card.threshold for card in default.detector_cards)
    return {
        "detector": _Limit(
            f"one of them is always {' and '.join(default.detector)}",
            lambda config: set(default.detector) <= set(config.detector),
        ),
        "threshold": _Limit(
            f"at most {most:g}", lambda config: config.threshold is None or config.threshold <= most
        ),
        "margin": _Limit(f"at least {default.margin:g}", lambda config: config.margin >= default.margin),
        "text_margin": _Limit(
            f"at least {default.text_margin:g}", lambda config: config.text_margin >= default.text_margin
        ),
        "k": _Limit(
            f"at least {_LEAST_K}",
            lambda config: not isinstance(config.redaction, KSame) or config.redaction.k >= _LEAST_K,
        ),
    }


def _check_covers_enough(config: AnonymizeConfig) -> None:
    """Refuses settings that cover less than the defaults do.

    Raises:
        ConfigError: the settings cover less.
    """
    for name, limit in _limits().items():
        if not limit.holds(config):
            raise ConfigError(f"{name}: in the compute job, {limit.sentence}; your value covers less")


def _shard(index: str | float, count: str | float) -> Shard | None:
    shard = Shard(_whole("shard_index", index), _whole("shard_count", count))
    return shard if shard.count > 1 else None


def _whole(name: str, value: str | float) -> int:
    """A whole number as forms send it: 3, 3.0 or "3"."""
    number = _number(value)
    if not number.is_integer():
        raise ConfigError(f"{name}: takes a whole number, got {value!r}")
    return int(number)


def _number(value: str | float) -> float:
    """A number as forms send it; NaN if it is not one, or larger than floats are."""
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _is_unused(parameter: Parameter, given: Mapping[str, Any], offered: Mapping[str, Parameter]) -> bool:
    """Whether a parameter belongs to another value of its tag than the given one."""
    if parameter.tag is None:
        return False
    return (given.get(parameter.tag) or offered[parameter.tag].default) not in parameter.belongs_to


def _is_unset(value: str | float, parameter: Parameter) -> bool:
    """Whether a form's 0 means that a number with a computed default was left empty."""
    if parameter.default or parameter.kind not in ("integer", "number"):
        return False
    return _number(value) == 0


def _is_default(value: str | float, parameter: Parameter) -> bool:
    return value == parameter.default or _number(value) == _number(parameter.default)


def run_job(
    data_dir: Path,
    report: Callable[[str], None],
    *,
    engine: EngineSetting = "auto",
    optout: Path = OPTOUT,
) -> JobDone:
    """Anonymizes everything below `inputs` and `persistentStorage` into `outputs`, the manifest last.

    Args:
        data_dir: the node's `/data`, in which these folders are.
        engine: the engine that runs the networks.
        report: receives the lines of the log, which refer to inputs only by number.
        optout: the list of people whom the image's publisher covers, if there is one.

    Returns:
        The result.

    Raises:
        ConfigError: the parameters or the opt-out list are invalid; no photo was read.
        InputError: there are no inputs, they cannot be listed, or none is a picture; a shard may have none.
        OutputError: an output cannot be written.
        ModelError: weights are missing, altered or cannot be run.
    """
    inputs, stored, outputs = data_dir / _INPUTS, data_dir / _STORED, data_dir / "outputs"
    request = read_parameters(inputs / PARAMETERS_FILE)
    wanted = request.config
    listed = read_optout(optout)
    references = listed.references() if listed else None
    if listed:
        wanted = listed.applied(wanted)
        report("this image covers the people of its opt-out list, and nobody else")
    config, inference = wanted.model_copy(update={"engine": engine}).resolved()
    chosen = ", ".join(f"{name}={value}" for name, value in config.to_parameters().items() if value)
    report(f"unionveil {__version__}: {chosen}")
    report(f"engine: {inference}")
    if not inputs.is_dir():
        raise InputError(f"{inputs} does not exist; the job reads its photos from it")
    roots = [inputs, stored] if stored.is_dir() else [inputs]
    source = PathSource(roots, leave_out=[inputs / PARAMETERS_FILE], member_bytes=member_bytes())
    if not len(source):
        raise InputError(_NO_PHOTO)
    work = Anonymize(config, FolderSink(outputs), references=references)
    work.check()
    shard = ShardOfRun(request.shard, salt_of(None, source)) if request.shard else None
    items = ShardSource(source, shard.shard) if shard else source
    report(counted(len(source), "input file") + (f", of which shard {shard.shard}" if shard else ""))
    # Workers even for a single picture: one that crashes its decoder must not crash the job.
    pool = PoolEngine(min(default_jobs(), max(1, len(items))))
    with planned(items, config, pool, references) as plan:
        if plan:
            report(f"{plan.people} people in {counted(plan.groups, 'group')}")
        counts = _anonymized(items, work, pool, (plan, shard), report)
    report(
        f"done: {counted(counts.inputs, 'picture')}, {counts.covered} in {counts.redacted} of them redacted, "
        f"{counts.without_face} without a face, {sum(counts.rejected.values())} rejected"
        + (f"; {counted(counts.not_compared, 'face')} not compared and filled" if counts.not_compared else "")
        + (f"; {counts.skipped} files that are not pictures skipped" if counts.skipped else "")
    )
    if not counts.inputs and shard is None:
        raise InputError(_NO_PHOTO)
    return JobDone(counts, request.shard)


def _anonymized(
    source: Source,
    work: Anonymize,
    pool: PoolEngine,
    parts: tuple[Plan | None, ShardOfRun | None],
    report: Callable[[str], None],
) -> Counts:
    pace = Pace(len(source))

    def on_done(_: SourceItem, record: Record) -> None:
        if isinstance(record, RejectedRecord):
            report(f"input {record.input} rejected: {record.detail}")
        if progress := pace.step():
            report(f"{progress}")

    plan, shard = parts
    return run_batch(source, work, pool, flat=True, plan=plan, shard=shard, on_done=on_done).counts
