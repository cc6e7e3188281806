"""Starts a review: pools of workers, the session, and the server of its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..config import AnonymizeConfig
from ..engines.pool import Pool, PoolEngine
from ..engines.resources import picture_bytes
from ..files.sources import PathSource
from ..review.log import Log
from ..review.outputs import Outputs
from ..review.session import Imported, Session
from ..review.survey import Survey, survey_run
from ..review.view import View
from ..runs.needs import finding_bytes
from .access import Access
from .listen import DEFAULT_HOST, Server, bind, doors, open_browser, url_of
from .reviews import Review, review_app

__all__ = ["ReviewOptions", "review"]

_VIEWERS = 2
"""One worker draws the current photo, the other the next."""


@dataclass(frozen=True)
class ReviewOptions:
    """Options of a review.

    Attributes:
        folder: of the photos.
        output: folder for approved photos.
        port: 0 chooses any free one.
        opens_browser: whether to open the page in a browser.
        keep_unreviewed: whether to write photos without a verdict, too.
        imported: boxes to add, by the name of the photo.
        jobs: number of the detector's workers.
        timeout_seconds: for one photo.
    """

    folder: Path
    output: Path
    port: int
    opens_browser: bool
    keep_unreviewed: bool
    imported: Mapping[str, Imported]
    jobs: int
    timeout_seconds: float


def review(
    source: PathSource, config: AnonymizeConfig, options: ReviewOptions, report: Callable[[str], None]
) -> None:
    """Serves the page until Ctrl-C.

    Args:
        source: the photos.
        config: all settings.
        options: options of the review.
        report: called with each line for the user.

    Raises:
        UnionVeilError: the folders, the boxes, the models or the port cannot be used.
    """
    with ExitStack() as stack:
        log = stack.enter_context(Log(options.folder))
        engine = PoolEngine(options.jobs, options.timeout_seconds)
        outputs = Outputs(source, options.folder, options.output, config, engine, log.secret)
        listener = stack.enter_context(bind(DEFAULT_HOST, options.port))
        budget = picture_bytes(options.jobs + _VIEWERS) / 2  # half for each of the two pools
        # The viewers start first: the page shows a photo before any model is loaded.
        viewers = stack.enter_context(Pool(View(config), _VIEWERS, options.timeout_seconds, budget))
        survey = Survey(config, log.secret)
        detectors = stack.enter_context(Pool(survey, options.jobs, options.timeout_seconds, budget))
        session = Session(
            log,
            survey_run(config),
            detectors.submit,
            viewers.submit,
            at_once=options.jobs,
            finding_bytes=finding_bytes(config),
            imported=options.imported,
        )
        stack.callback(session.close)
        site, access = doors(listener, token=None, names=(), default=Access.once())
        app = review_app(
            Review(session, outputs, config, options.folder.resolve().name, options.keep_unreviewed),
            site=site,
            access=access,
        )
        session.start(source)
        url = url_of(listener, access)

        def on_ready() -> None:
            report(f"review {options.folder} at {url}")
            report("every change is saved immediately; Ctrl-C stops, and the same command continues")
            if options.opens_browser:
                open_browser(url)

        Server(app, listener, on_ready, on_stop=session.close).serve_until_stopped()
