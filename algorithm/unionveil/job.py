"""The Ocean compute job: `/data/inputs` in, `/data/outputs` out, nothing that identifies in between.

Nodes lay inputs flat; older operators put them into a folder for each data set. Both are read in the same
way: every file below the inputs is an input, but for the parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from . import __version__
from .config import EMOJI, AnonymizeConfig, KSame, parameters
from .engines.pool import PoolEngine
from .engines.resources import default_jobs, member_bytes
from .errors import ConfigError, InputError
from .files.sinks import FolderSink
from .files.sources import PathSource, SourceItem
from .identity.optout import OPTOUT, read_optout
from .models.cards import DETECTORS
from .models.inference import EngineSetting
from .parameters import Parameter
from .runs.batch import run_batch
from .runs.ksame import planned
from .runs.manifest import Counts, Record, RejectedRecord
from .runs.plan import Plan
from .runs.work import Anonymize

__all__ = ["PARAMETERS_FILE", "config_of", "job_parameters", "read_parameters", "run_job"]

PARAMETERS_FILE = "algoCustomData.json"

_REPORT_EVERY = 25

_LEAST_K = 3
"""A buyer who knows one of two people by sight would know the other as well."""

_COVERS = ("face", "head", "face,text", "head,text")
"""What a buyer may choose: people are always covered."""

_COVER_TEXT = (
    "What is covered: faces, or whole heads (with hair, ears and chin); with text also number plates, badges "
    "and screens, in images that were built with --text."
)

_NOT_OFFERED = ("digest_salt", "engine", "select", "embedder")


def job_parameters() -> tuple[Parameter, ...]:
    """The settings that a buyer of the job may choose, in flat form.

    The salt is left out: a buyer who chooses it can test whether a photo is in the data set. So are the
    engine, which is the operator's, everything that names a file, and everything about known people: a buyer
    who names a person could find them.
    """
    offered = []
    for parameter in parameters():
        if parameter.name == "picture":
            parameter = replace(parameter, kind="select", choices=EMOJI, description="Emoji.")
        elif parameter.name == "surrogate":
            what = "mean (of theirs) or synthetic (a person who does not exist)."
            parameter = replace(
                parameter,
                kind="select",
                choices=("mean", "synthetic"),
                description=f"The face that k people share: {what}",
            )
        elif parameter.name == "k":
            parameter = replace(
                parameter, description=f"{parameter.description} At least {_LEAST_K} in the compute job."
            )
        elif parameter.name == "cover":
            parameter = replace(parameter, kind="select", choices=_COVERS, description=_COVER_TEXT)
        elif parameter.name == "detector":
            names = ", ".join(name for name in DETECTORS if name != "yolo")
            parameter = replace(parameter, description=f"Detectors, separated by commas: {names}.")
        if not _is_withheld(parameter):
            offered.append(parameter)
    return tuple(offered)


def _is_withheld(parameter: Parameter) -> bool:
    return parameter.name in _NOT_OFFERED or parameter.tag == "select"


def read_parameters(path: Path) -> AnonymizeConfig:
    """Settings from the file that the node writes; none, an empty file or `{}` give the defaults.

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
    return config_of(given)


def config_of(given: Mapping[str, Any]) -> AnonymizeConfig:
    """Checks parameters as the job does; see `AnonymizeConfig.from_parameters`.

    Markets fill a form with the default of every parameter and send all of them, for every method.
    Empty values, and defaults of other methods, are ignored; so is 0 for a number without a default of its
    own, because market forms compute `Number("")`, which is 0.

    Raises:
        ConfigError: an unknown parameter, a value that is not allowed, or one that names a file.
    """
    offered = {parameter.name: parameter for parameter in job_parameters()}
    withheld = {parameter.name for parameter in parameters()} - offered.keys()
    kept = {}
    for name, value in given.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ConfigError(f"parameter {name!r} must be a text or a number")
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
    config = AnonymizeConfig.from_parameters(kept)
    if any(name.startswith("yolo") for name in config.detector):
        raise ConfigError("detector: 'yolo' needs a file and is not offered by the compute job")
    if isinstance(config.redaction, KSame) and config.redaction.k < _LEAST_K:
        raise ConfigError(f"k: the compute job takes at least {_LEAST_K}, got {config.redaction.k}")
    return config


def _is_unused(parameter: Parameter, given: Mapping[str, Any], offered: Mapping[str, Parameter]) -> bool:
    """Whether a parameter belongs to another value of its tag than the one that is given."""
    if parameter.tag is None:
        return False
    return (given.get(parameter.tag) or offered[parameter.tag].default) not in parameter.belongs_to


def _is_unset(value: str | float, parameter: Parameter) -> bool:
    """Whether a form's 0 stands for a number whose default depends on other settings."""
    if parameter.default or parameter.kind not in ("integer", "number"):
        return False
    try:
        return float(value) == 0
    except ValueError:
        return False


def _is_default(value: str | float, parameter: Parameter) -> bool:
    try:
        return float(value) == float(parameter.default)
    except ValueError:
        return value == parameter.default


def run_job(
    data_dir: Path,
    report: Callable[[str], None],
    *,
    engine: EngineSetting = "auto",
    optout: Path = OPTOUT,
) -> Counts:
    """Anonymizes everything below `data_dir/inputs` into `data_dir/outputs`, the manifest last.

    Args:
        data_dir: the node's `/data`.
        engine: what runs the networks.
        report: takes the log's lines; they name inputs by number only.
        optout: the list of people whom the publisher of the image covers, if it has one.

    Returns:
        Totals of the run.

    Raises:
        ConfigError: the parameters or the opt-out list are wrong; nothing was read.
        InputError: there are no inputs, or they cannot be listed.
        OutputError: an output cannot be written.
        ModelError: weights are missing, altered or cannot be run.
    """
    inputs, outputs = data_dir / "inputs", data_dir / "outputs"
    wanted = read_parameters(inputs / PARAMETERS_FILE)
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
        raise InputError(f"{inputs} is not there; the job reads its photos from it")
    source = PathSource([inputs], leave_out=[inputs / PARAMETERS_FILE], member_bytes=member_bytes())
    if not len(source):
        raise InputError(f"{inputs} holds no photo; the data set is empty")
    work = Anonymize(config, FolderSink(outputs), references=references)
    work.check()
    report(f"{len(source)} input files")
    # Workers even for a single picture: one that kills its decoder must not kill the job.
    pool = PoolEngine(min(default_jobs(), len(source)))
    with planned(source, config, pool, references) as plan:
        if plan:
            report(f"{plan.people} people in {plan.groups} groups")
        counts = _anonymized(source, work, pool, plan, report)
    report(
        f"done: {counts.inputs} pictures, {counts.faces} faces in {counts.redacted} of them redacted, "
        f"{counts.without_face} without a face, {sum(counts.rejected.values())} rejected"
        + (f"; {counts.not_compared} faces not compared and filled" if counts.not_compared else "")
        + (f"; {counts.skipped} files that are not pictures skipped" if counts.skipped else "")
    )
    return counts


def _anonymized(
    source: PathSource, work: Anonymize, pool: PoolEngine, plan: Plan | None, report: Callable[[str], None]
) -> Counts:
    finished = 0

    def on_done(_: SourceItem, record: Record) -> None:
        nonlocal finished
        finished += 1
        if isinstance(record, RejectedRecord):
            report(f"input {record.input} rejected: {record.detail}")
        if finished % _REPORT_EVERY == 0:
            report(f"{finished} pictures done")

    return run_batch(source, work, pool, flat=True, plan=plan, on_done=on_done).counts
