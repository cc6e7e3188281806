"""The folder for the results of one job, which records the job's id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unionveil.errors import OutputError

_FILE = "job.json"


class _Owner(BaseModel):
    model_config = ConfigDict(frozen=True)
    job: str = Field(pattern=r"^[0-9A-Za-z_.-]{1,200}$")


@dataclass(frozen=True)
class ResultsFolder:
    """A folder for the results of one job.

    Attributes:
        path: of the folder; need not exist.
    """

    path: Path

    @property
    def outputs(self) -> Path:
        """The outputs and their manifest."""
        return self.path / "outputs"

    @property
    def logs(self) -> Path:
        """The logs."""
        return self.path / "logs"

    def check(self, job_id: str | None) -> None:
        """Checks that no other job's results are in the folder.

        Args:
            job_id: of the job whose results are to go there; None if it is not started yet.

        Raises:
            OutputError: the folder holds results of another or an unknown job.
        """
        owner = self._owner()
        if owner is not None and owner != job_id:
            raise OutputError(f"{self.path} holds the results of job {owner}; name another folder with -o")
        if owner is None and (self.outputs.exists() or self.logs.exists()):
            raise OutputError(
                f"{self.path} holds results and no {_FILE} that names their job; name another folder with -o"
            )

    def claim(self, job_id: str) -> None:
        """Records the job before anything else is written.

        Raises:
            OutputError: see `check`; or the folder cannot be written.
        """
        self.check(job_id)
        if self._owner() is not None:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / _FILE).open("x", encoding="utf-8") as file:
                file.write(_Owner(job=job_id).model_dump_json() + "\n")
        except FileExistsError:
            self.check(job_id)  # another run was faster
        except (OSError, ValidationError) as error:
            why = getattr(error, "strerror", None) or "the node's job id is not usable"
            raise OutputError(f"the results cannot be written into {self.path}: {why}") from error

    def _owner(self) -> str | None:
        try:
            return _Owner.model_validate_json((self.path / _FILE).read_bytes()).job
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise OutputError(
                f"{self.path / _FILE} does not name a job; name another folder with -o"
            ) from error
