"""Every error that UnionVeil raises on purpose.

    UnionVeilError
    ├── ConfigError              a setting is wrong                        (say which, and what is allowed)
    ├── ModelError               weights cannot be used
    │   ├── ModelMissing         they are not on this machine               (say how to get them)
    │   └── ModelAltered         the file is not the one that its card names
    ├── ImageError               one picture cannot be anonymized          (becomes `Rejected`)
    │   ├── UnreadableImage      the bytes are not a whole picture
    │   ├── UnsupportedImage     a format or a variant that is not handled
    │   ├── ImageTooLarge        more pixels than the limit
    │   └── OutputDiffers        the encoded output is not the redacted picture
    ├── WorkerError              a worker process cannot start              (stops the job)
    ├── ClusterError             a cluster cannot be reached, or cannot do the work  (stops the job)
    ├── InputError               a folder, file or archive cannot be read
    │   └── TooFewPeople         fewer people than a group needs
    ├── ResultsError             outputs do not fit their manifest
    ├── OutputError              an output cannot be written               (stops the job)
    │   ├── OutputTaken          something of another run is in its place
    │   └── OutputLeft           an output's input is gone
    ├── MissingExtra             a command needs a package that is not installed
    ├── StoreError               an object store refuses, or does not answer
    ├── RoomError                a chat room cannot be reached or refuses
    └── RequestError             a request that a server of ours does not answer
        ├── NotAuthorized        it brings no token, or a wrong one
        ├── NotAllowed           it comes from another site, or for another host
        ├── BodyTooLarge         it brings more bytes than the limit
        ├── BodyTooSlow          its bytes did not come in time
        ├── WrongMedia           its body is not of a kind that is read
        ├── ReviewError          an edit does not fit the photo that is reviewed
        │   └── ReviewConflict   the review went on in another tab
        └── RetryLater           the same request may be answered later
            ├── RateLimited      one client asks too often
            └── Busy             all places are taken

`error_codes.py` gives each an exit code and an HTTP status.

They carry their facts as attributes, survive pickling (workers send them across processes) and read as
one sentence that says what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = [
    "BodyTooLarge",
    "BodyTooSlow",
    "Busy",
    "ClusterError",
    "ConfigError",
    "ImageError",
    "ImageTooLarge",
    "InputError",
    "MissingExtra",
    "ModelAltered",
    "ModelError",
    "ModelMissing",
    "NotAllowed",
    "NotAuthorized",
    "OutputDiffers",
    "OutputError",
    "OutputLeft",
    "OutputTaken",
    "RateLimited",
    "RequestError",
    "ResultsError",
    "RetryLater",
    "ReviewConflict",
    "ReviewError",
    "RoomError",
    "StoreError",
    "TooFewPeople",
    "UnionVeilError",
    "UnreadableImage",
    "UnsupportedImage",
    "WorkerError",
    "WrongMedia",
    "cannot_be_read",
]


class UnionVeilError(Exception):
    """Root of the tree; its text is one clear sentence."""


class ConfigError(UnionVeilError):
    """A setting is unknown or has a value that is not allowed."""


class ModelError(UnionVeilError):
    """A model's weights are missing, altered or cannot be run."""


class ModelMissing(ModelError):
    """A model's weights are not on this machine.

    Attributes:
        name: the model.
        file: the file that is missing.
        ways: how to get it, as parts of a sentence.
    """

    def __init__(self, name: str, file: str, ways: Sequence[str]) -> None:
        super().__init__(name, file, ways)
        self.name = name
        self.file = file
        self.ways = tuple(ways)

    def __str__(self) -> str:
        return (
            f"the weights of {self.name!r} ({self.file}) are not on this machine: {', or '.join(self.ways)}"
        )


class ModelAltered(ModelError):
    """A file of weights is not the one that the model's card names.

    Attributes:
        name: the model.
        path: the file.
        sha256: hex digest of the file.
        expected: hex digest that the card names.
    """

    def __init__(self, name: str, path: str, sha256: str, expected: str) -> None:
        super().__init__(name, path, sha256, expected)
        self.name = name
        self.path = path
        self.sha256 = sha256
        self.expected = expected

    def __str__(self) -> str:
        return (
            f"{self.path} is not the {self.name!r} that this version knows (its SHA-256 begins "
            f"{self.sha256[:12]}, expected {self.expected[:12]}): it is damaged or another model; remove it "
            "and get it again"
        )


class ImageError(UnionVeilError):
    """One picture cannot be anonymized; `reason` is the word that the manifest records."""

    reason = "error"


class UnreadableImage(ImageError):
    """The bytes are not a picture, or the picture is damaged or cut off."""

    reason = "unreadable"


class UnsupportedImage(ImageError):
    """A format, or a variant of one, that cannot be anonymized safely."""

    reason = "unsupported"


_LEAST_IN_MEGAPIXELS = 10_000


def _as_megapixels(pixels: float) -> str:
    return f"{pixels / 1e6:.3g} megapixels" if pixels < 1e9 else f"{pixels / 1e6:.0f} megapixels"


class ImageTooLarge(ImageError):
    """More pixels than the limit.

    Attributes:
        pixels: pixels of all frames together, according to the header.
        limit: pixels allowed.
    """

    reason = "too-large"

    def __init__(self, pixels: int, limit: int) -> None:
        super().__init__(pixels, limit)
        self.pixels = pixels
        self.limit = limit

    def __str__(self) -> str:
        has, limit = _as_megapixels(self.pixels), _as_megapixels(self.limit)
        if has == limit or self.limit < _LEAST_IN_MEGAPIXELS:
            has, limit = f"{self.pixels} pixels", f"{self.limit}"
        return (
            f"the picture has {has}, the limit is {limit}; raise it with max_megapixels if you trust the file"
        )


class OutputDiffers(ImageError):
    """The encoded output does not decode to the redacted picture, so it must not be written."""

    reason = "output-differs"


class WorkerError(UnionVeilError):
    """A worker process cannot start; this is not the fault of any picture.

    Attributes:
        exit_code: of the process, negative for a signal; None if it did not end.
    """

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        what = "did not start in time" if self.exit_code is None else f"ended with {self.exit_code}"
        return (
            f"a worker process {what} before it had loaded its models; give the program more memory, or "
            "start fewer workers with --jobs"
        )


class ClusterError(UnionVeilError):
    """A cluster cannot be reached or cannot do the work; the run stops and can be continued later."""


class InputError(UnionVeilError):
    """A folder, file or archive named by the user cannot be read."""


class TooFewPeople(InputError):
    """The inputs show fewer people than a group of k-same needs.

    Attributes:
        people: their number.
        k: the number needed.
    """

    def __init__(self, people: int, k: int) -> None:
        super().__init__(people, k)
        self.people = people
        self.k = k

    def __str__(self) -> str:
        return (
            f"method ksame with k = {self.k} needs the faces of at least {self.k} people, and those that can "
            f"be compared here are of {self.people}: choose a smaller k, or another method"
        )


class OutputError(UnionVeilError):
    """An output cannot be written; the job stops, and nothing half-written remains."""


class OutputTaken(OutputError):
    """Something of another run is in the place of an output; some commands replace it on request."""


class OutputLeft(OutputError):
    """Outputs are there whose inputs are gone or were not named; some commands remove them on request."""


class ResultsError(UnionVeilError):
    """Outputs do not fit their manifest.

    Attributes:
        issues: one sentence for every mismatch.
    """

    def __init__(self, issues: Iterable[str]) -> None:
        self.issues = tuple(issues)
        super().__init__(self.issues)

    def __str__(self) -> str:
        return "the results are not to be trusted: " + "; ".join(self.issues)


class MissingExtra(UnionVeilError):
    """A command needs packages that are not installed.

    Attributes:
        command: the command that needs them, as the user wrote it.
        package: the module that could not be imported.
        extra: name of the extra that installs them.
    """

    def __init__(self, command: str, package: str, extra: str) -> None:
        super().__init__(command, package, extra)
        self.command = command
        self.package = package
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.command} needs the package {self.package!r}, which is not installed: "
            f"pip install 'unionveil[{self.extra}]'"
        )


class StoreError(UnionVeilError):
    """An object store refuses, or does not answer; the same command continues where it stopped.

    The store's answer is left out, because it may quote credentials.

    Attributes:
        place: the requested object or folder.
        status: of the store's answer (RFC 9110, section 15); None if it could not be reached.
    """

    def __init__(self, place: str, status: int | None) -> None:
        super().__init__(place, status)
        self.place = place
        self.status = status

    @property
    def why(self) -> str:
        """The reason, and what to do."""
        if self.status is None:
            return "the store cannot be reached; check its address in the environment and the network"
        if self.status in (400, 401, 403):
            return (
                f"the store refuses (status {self.status}): the credentials in the environment are missing, "
                "wrong or expired, or do not allow this"
            )
        if self.status == 404:
            return "there is no such bucket (status 404); check its name and region"
        return f"the store answers with status {self.status}; try again later"

    def __str__(self) -> str:
        return f"{self.place}: {self.why}; the same command then goes on where it stopped"


class RoomError(UnionVeilError):
    """A chat network cannot be reached, or refuses a bot's request; it may be tried again."""


class RequestError(UnionVeilError):
    """A request that one of our servers does not answer; its text goes to the client."""


class NotAuthorized(RequestError):
    """The request has neither the token nor the session that the server requires."""


class NotAllowed(RequestError):
    """The request comes from another site, or is for a host name that is not the server's."""


class BodyTooLarge(RequestError):
    """The body has more bytes than the server accepts.

    Attributes:
        limit_bytes: bytes allowed.
    """

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(limit_bytes)
        self.limit_bytes = limit_bytes

    def __str__(self) -> str:
        return f"the request has more than {self.limit_bytes / (1 << 20):g} MiB; send a smaller file"


class BodyTooSlow(RequestError):
    """The body did not arrive in time."""


class WrongMedia(RequestError):
    """The body is not of a type that the server reads."""


class RetryLater(RequestError):
    """The same request may be answered later.

    Attributes:
        seconds: time to wait before the next try.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class RateLimited(RetryLater):
    """A client sends requests faster than the server allows."""

    def __str__(self) -> str:
        return f"too many requests from your address; try again in {self.seconds} s"


class Busy(RetryLater):
    """All slots for pictures are in use."""

    def __str__(self) -> str:
        return f"the server is busy with other pictures; try again in {self.seconds} s"


class ReviewError(RequestError):
    """An edit does not fit the reviewed photo; none of it is applied."""


class ReviewConflict(ReviewError):
    """An edit was based on a state that has since changed, in another tab or by a retry.

    Attributes:
        revision: that the edit was based on.
        current: of the review.
    """

    def __init__(self, revision: int, current: int) -> None:
        super().__init__(revision, current)
        self.revision = revision
        self.current = current

    def __str__(self) -> str:
        return "the review was changed in another tab; reload this page"


def cannot_be_read(error: OSError | ValueError, what: str = "the file") -> str:
    """Says that an input cannot be read, and why, without its path, which a system's error may contain.

    Args:
        error: what the system says, or Python of a path that no system has.
        what: the input, as the subject of the sentence.
    """
    why = error.strerror or type(error).__name__ if isinstance(error, OSError) else error
    return f"{what} cannot be read: {why}"
