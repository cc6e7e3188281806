"""`unionveil anonymize`: photos, videos, folders and archives into a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..config import AnonymizeConfig, EveryFace, distance_of, parameters
from ..engines.base import Engine
from ..engines.pool import PoolEngine
from ..engines.resources import default_jobs
from ..errors import OutputLeft, OutputTaken
from ..files.sinks import Place
from ..files.sources import Patterns, Source, SourceItem
from ..given import BoxPlan
from ..models.inference import Inference
from ..parameters import Parameter
from ..runs.batch import run_batch
from ..runs.journal import Journal
from ..runs.ksame import planned
from ..runs.manifest import ManifestBuilder
from ..runs.plan import Plan
from ..runs.references import load_references
from ..runs.schema import Counts, Record, RejectedRecord
from ..runs.shards import Shard, ShardOfRun, ShardSource, check_shardable, salt_of
from ..runs.work import Anonymize
from ..text import counted
from .bars import LongBars
from .boxes import Boxes, box_options, box_plan_of
from .clusters import Cluster, cluster_options
from .console import EXIT_DONE, EXIT_SOME_REJECTED
from .options import croissant_option, jobs_option, timeout_option
from .path_list import named_paths
from .places import PlaceType, sink_into, source_of
from .report import Report, report_options

if TYPE_CHECKING:
    from ..export.croissant import About

__all__ = ["command", "setting_options"]

Command = TypeVar("Command", bound=Callable[..., Any])

_VARIABLES = {"digest_salt": "UNIONVEIL_DIGEST_SALT", "engine": "UNIONVEIL_ENGINE"}
"""Environment variables of settings that depend on the machine or must stay out of the shell's history."""


def setting_options(
    without: Collection[str] = (), *, methods: Collection[str] = (), known_people: bool = False
) -> Callable[[Command], Command]:
    """Options for all settings of `AnonymizeConfig`, in their order.

    Settings about known people belong to commands that accept photos of them; there, `--keep` and `--only`
    replace `select`.

    Args:
        without: settings that the command does not offer.
        methods: the redactions that the help lists, with their settings; all of them if empty. The command
            itself refuses the others, with a reason.
        known_people: whether the command has `--keep` and `--only`.
    """
    hidden = {*without, "select", "only_strict"}
    if not known_people:
        hidden |= {"embedder", *(one.name for one in parameters() if one.tag == "select")}

    def decorate(command: Command) -> Command:
        chosen = [one for one in parameters() if one.name not in hidden and _is_of(one, methods)]
        return _with_options(command, chosen, f"[{'|'.join(methods)}]" if methods else None)

    return decorate


def _is_of(parameter: Parameter, methods: Collection[str]) -> bool:
    """Whether a parameter belongs to one of the methods, or to every method."""
    return not methods or parameter.tag != "method" or not set(parameter.belongs_to).isdisjoint(methods)


def _with_options(command: Command, chosen: Sequence[Parameter], methods: str | None) -> Command:
    for parameter in reversed(chosen):
        text = parameter.description
        if parameter.belongs_to:
            text = f"[{', '.join(parameter.belongs_to)}] {text}"
        if parameter.default:
            text += f"  [default: {parameter.default}]"
        option = click.option(
            "--" + parameter.name.replace("_", "-"),
            parameter.name,
            type=click.Choice(parameter.choices) if parameter.choices else str,
            default=None,
            envvar=_VARIABLES.get(parameter.name),
            show_envvar=True,
            metavar=methods if parameter.name == "method" else _metavar(parameter),
            help=text,
        )
        command = option(command)
    return command


def _metavar(parameter: Parameter) -> str | None:
    return None if parameter.choices else parameter.kind.upper()


@click.command("anonymize")
@click.argument("paths", nargs=-1, metavar="PATH...", type=PlaceType())
@click.option(
    "-o",
    "--output",
    type=PlaceType(folder=True),
    help="Folder for the outputs, or s3://, gs:// or az://BUCKET/FOLDER (extra cloud); inputs likewise.",
)
@click.option(
    "--keep",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Leave a known person visible: photos of one person, or a folder of photos per person; may be "
    "repeated.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Cover only a known person; photos as for --keep.",
)
@click.option("--only-strict", is_flag=True, help="With --only: also cover faces too small to judge.")
@setting_options(known_people=True)
@jobs_option
@timeout_option()
@cluster_options
@click.option(
    "--overwrite", is_flag=True, help="Replace the outputs of another run, and remove its other outputs."
)
@click.option(
    "--prune", is_flag=True, help="Remove outputs of inputs that no longer exist, such as withdrawn photos."
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Only files that match; may be repeated.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Skip files and folders that match, such as '*.png' or 'raw'; may be repeated.",
)
@click.option(
    "--follow-links", is_flag=True, help="Follow links in folders, such as those of git-annex and DataLad."
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Only part I of N, counted from 0: inputs are distributed by their names; unionveil merge joins the "
    "parts.",
)
@click.option(
    "--run-salt",
    metavar="TEXT",
    envvar="UNIONVEIL_RUN_SALT",
    show_envvar=True,
    help="With --shard: the secret from which outputs are named, the same for all shards.  [default: derived "
    "from the names and sizes of all inputs]",
)
@click.option("--dry-run", is_flag=True, help="Detect faces and report them; write no output.")
@click.option(
    "--preview", is_flag=True, help="Also write small pictures with the detected boxes into preview/."
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest on standard output.")
@croissant_option
@box_options
@report_options
def command(
    paths: tuple[Place, ...],
    output: Place | None,
    jobs: int | None,
    timeout: float,
    cluster: Cluster | None,
    overwrite: bool,
    prune: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    follow_links: bool,
    shard: str | None,
    run_salt: str | None,
    dry_run: bool,
    preview: bool,
    as_json: bool,
    about: Path | None,
    boxes: Boxes,
    report: Report,
    **settings: Any,
) -> int:
    """Anonymizes photos, videos, folders and archives into a folder.

    A single dash reads paths from standard input, one per line or separated by NUL. Running the same command
    again processes only what is missing. Text files, sidecars and the files that operating systems leave
    beside photos are skipped.
    """
    config, inference, known = _config(**settings)
    _check_boxes(boxes, config, known)
    part, described = _shard(shard, config, boxes), _about(about, output, shard, dry_run=dry_run)
    named = list(named_paths(paths))
    if output is None and (preview or not dry_run):
        raise click.UsageError("name the output folder: -o FOLDER")
    apart = [place for place in (output, boxes.path) if isinstance(place, Path)]
    source = source_of(named, apart, Patterns(include, exclude), follow_links=follow_links)
    of_run = ShardOfRun(part, salt_of(run_salt, source)) if part else None
    inputs = ShardSource(source, part) if part else source
    box_plan = box_plan_of(boxes, source)
    # A worker reads the photos of known people, as it reads all other input.
    references = load_references(known, config, PoolEngine(1)) if known else None
    engine, bars = _engine(cluster, jobs or min(default_jobs(), max(1, len(inputs))), timeout)
    work = Anonymize(config, references=references, previews=preview, boxes=boxes.mode, videos=True)
    with _planned(inputs, work, engine, report) as plan:
        work, journal = _into_folder(
            work, None if dry_run else output, named, (plan, of_run), overwrite=overwrite, prune=prune
        )
        may_prune = prune and not overwrite
        plans = Plans(plan, box_plan, of_run)
        manifest, rejected = _run(inputs, work, (engine, bars), journal, plans, report, prune=may_prune)
    is_empty = not manifest.counts.inputs and part is None  # a shard may have none
    _summary(manifest.counts, rejected, inference, work, report, is_empty=is_empty)
    _hand_over(manifest, described, report, as_json=as_json)
    return EXIT_SOME_REJECTED if rejected or is_empty else EXIT_DONE


def _hand_over(
    manifest: ManifestBuilder, described: tuple[About, Path] | None, report: Report, *, as_json: bool
) -> None:
    """Writes the data set's description, and the manifest to standard output, if they were asked for."""
    if described:
        from ..export.write import describe
        from ..merge.shards import open_shards

        about, folder = described
        report.note(f"description: {describe(about, open_shards([folder]), folder)}")
    for text in manifest.parts() if as_json else ():
        click.echo(text.decode(), nl=False)


def _engine(cluster: Cluster | None, jobs: int, timeout: float) -> tuple[Engine, LongBars]:
    """The engine; workers even for a single picture, which may kill its decoder but not the program."""
    bars = LongBars()
    if cluster:
        return cluster.engine(timeout), bars
    return PoolEngine(jobs, timeout, on_step=bars), bars


@dataclass(frozen=True)
class Plans:
    """What is known of the inputs before they are read.

    Attributes:
        faces: the plan of a k-same run.
        boxes: boxes from a file.
        shard: the part of a run that the inputs belong to.
    """

    faces: Plan | None
    boxes: BoxPlan
    shard: ShardOfRun | None


def _about(
    path: Path | None, output: Place | None, shard: str | None, *, dry_run: bool
) -> tuple[About, Path] | None:
    """The data set that outputs are described as, and their folder; read before the first picture."""
    if path is None:
        return None
    if dry_run or shard is not None or not isinstance(output, Path):
        raise click.UsageError(
            "--croissant describes a whole run in a folder on this machine; give it to unionveil merge, or "
            "run without --dry-run and --shard, and without an object store"
        )
    from ..export.croissant import read_about
    from ..export.write import check_describable

    check_describable(output)
    return read_about(path), output


def _shard(text: str | None, config: AnonymizeConfig, boxes: Boxes) -> Shard | None:
    if text is None:
        return None
    shard = Shard.parse(text)
    check_shardable(config)
    if boxes.mode:
        raise click.UsageError(
            "--boxes may name inputs by number, and shards do not know the numbers; run without --shard"
        )
    return shard


def _check_boxes(boxes: Boxes, config: AnonymizeConfig, known: Sequence[Path]) -> None:
    if boxes.only and known:
        raise click.UsageError(
            "--boxes-only covers every box of the file; it cannot be combined with --keep or --only"
        )
    if boxes.mode and config.redaction.needs_whole_set:
        raise click.UsageError(
            "method ksame compares faces by their landmarks, which boxes from a file do not have"
        )


def _run(
    source: Source,
    work: Anonymize,
    engine: tuple[Engine, LongBars],
    journal: Journal | None,
    plans: Plans,
    report: Report,
    *,
    prune: bool,
) -> tuple[ManifestBuilder, list[tuple[str, str]]]:
    """The manifest, and each rejected input's name with a sentence."""
    rejected: list[tuple[str, str]] = []
    pool, bars = engine
    with (
        report.progress("anonymizing", len(source), bars) as advance,
        journal or nullcontext(),
        _with_options_named(),
    ):
        kept = _is_kept(journal, report)

        def on_done(item: SourceItem, record: Record) -> None:
            bars.end(record.input)
            advance()
            if isinstance(record, RejectedRecord):
                rejected.append((item.name, record.detail))

        manifest = run_batch(
            source,
            work,
            pool,
            journal=journal,
            prune=prune,
            plan=plans.faces,
            boxes=plans.boxes,
            shard=plans.shard,
            on_done=on_done,
        )
        if kept:
            _is_kept(journal, report)
    return manifest, rejected


@contextmanager
def _with_options_named() -> Iterator[None]:
    """Names the options of this command in errors that they help against; others do not have them."""
    try:
        yield
    except OutputTaken as error:
        raise OutputTaken(f"{error} or --overwrite") from error
    except OutputLeft as error:
        raise OutputLeft(f"{error}, or remove them with --prune") from error


def _config(
    *, keep: Sequence[Path], only: Sequence[Path], only_strict: bool, **settings: str | None
) -> tuple[AnonymizeConfig, Inference, Sequence[Path]]:
    """The settings and the photos of known people; `--keep` and `--only` decide who is covered."""
    if keep and only:
        raise click.UsageError(
            "use --keep or --only, not both: one covers everyone else, the other nobody else"
        )
    given = {name: value for name, value in settings.items() if value is not None}
    for name in ("match", "match_threshold"):
        if name in given and not keep and not only:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --keep or --only")
    if only_strict and not only:
        raise click.UsageError("--only-strict needs --only")
    if only_strict:
        given["only_strict"] = "yes"
    select = "keep" if keep else "only" if only else "every"
    return *AnonymizeConfig.from_parameters({**given, "select": select}).resolved(), keep or only


@contextmanager
def _planned(source: Source, work: Anonymize, engine: Engine, report: Report) -> Iterator[Plan | None]:
    """The plan of a method that needs the whole data set; None for all others."""
    work.check()  # before any input is read
    with ExitStack() as stack:
        with report.progress("comparing", len(source)) as advance:
            planning = planned(source, work.config, engine, work.references, on_done=advance)
            plan = stack.enter_context(planning)
        yield plan


def _into_folder(
    work: Anonymize,
    output: Place | None,
    named: Sequence[Place],
    parts: tuple[Plan | None, ShardOfRun | None],
    *,
    overwrite: bool,
    prune: bool,
) -> tuple[Anonymize, Journal | None]:
    """The work with its output folder, and the journal; without an output, neither folder nor journal."""
    if output is None:
        return replace(work, previews=False), None
    # Where inputs are numbered, removing one renames all outputs after it.
    may_replace = overwrite or (prune and work.config.names == "number")
    sink = sink_into(output, named, overwrite=may_replace)
    known = work.references.digest if work.references else ""
    plan, shard = parts
    journal = Journal(
        sink.folder,
        work.config,
        references=known,
        plan=plan.digest if plan else "",
        shard=f"{shard.shard} {shard.run}" if shard else "",
    )
    return replace(work, sink=sink, secret=journal.secret, state=journal.videos), journal


def _is_kept(journal: Journal | None, report: Report) -> bool:
    """Whether an interrupted run can be continued; prints a note if it cannot."""
    if journal and not journal.is_kept:
        report.note(
            "note: the state folder cannot be written to, so this run cannot be continued; a second run "
            "needs an empty folder or --overwrite"
        )
        return False
    return True


def _warn_of_looks(config: AnonymizeConfig, report: Report) -> None:
    if config.redaction.looks_only:
        method = config.redaction.method
        report.note(
            f"note: {method} is for looks only: a trained attacker recognizes people behind it; fill leaves "
            "nothing"
        )


def _threshold(config: AnonymizeConfig) -> str:
    """The threshold for a known person's face, in both measures."""
    card = config.embedder_card
    if isinstance(config.selection, EveryFace) or card is None:
        return ""
    least = config.selection.least_cosine(card)
    return f"cosine at least {least:.3g}, distance at most {distance_of(least):.3g}"


def _summary(
    counts: Counts,
    rejected: list[tuple[str, str]],
    inference: Inference,
    work: Anonymize,
    report: Report,
    *,
    is_empty: bool,
) -> None:
    rows = [("pictures", str(counts.inputs))]
    text = " or text" * work.config.covers_text + " or plates" * work.config.covers_plates
    done = "redacted" if work.sink else "found"
    rows.append((f"with faces{text}", f"{counts.redacted}  ({counts.covered} {done})"))
    if counts.not_compared:
        rows.append(("not compared", f"{counts.not_compared}  (faces that were filled instead)"))
    unchanged = f"without a face{text}" if counts.kept is None else "unchanged"
    rows.append((unchanged, str(counts.without_face)))
    if counts.kept is not None:
        rows.append(("left visible", counted(counts.kept, "face")))
        if same := _threshold(work.config):
            rows.append(("same person", same))
    rows.append(("rejected", str(sum(counts.rejected.values()))))
    if counts.skipped:
        rows.append(("skipped", f"{counts.skipped}  (sidecars, texts, system files, excluded files)"))
    rows.append(("engine", str(inference)))
    if work.sink:
        rows.append(("outputs in", str(work.sink.folder)))
    report.done(rows, {"counts": counts.model_dump(exclude_none=True), "engine": str(inference)})
    if is_empty:
        report.note("your inputs contain no picture; everything was skipped")
    for name, detail in rejected:
        report.problem("rejected", name, detail)
    _warn_of_looks(work.config, report)
