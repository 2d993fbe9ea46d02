"""Client of Vertex AI Pipelines."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError, RemoteError
from textmill.pipeline.platforms.config import VertexConfig
from textmill.pipeline.platforms.submission import Status, Submission, Transient

_TIMEOUT_SECONDS = 60.0
_ONCE: dict[str, Any] = {"retry": None, "timeout": _TIMEOUT_SECONDS}
"""Options of a request: ``with_retries`` repeats it."""
_REFUSED = (401, 403)
_BUSY = (408, 429, 500, 502, 503, 504)


class VertexRegion:
    """Client for the pipeline jobs and schedules of a project and region.

    Raises:
        ConfigError: the client is not installed, or no project is named.
        RemoteError: credentials are missing.
    """

    def __init__(self, config: VertexConfig) -> None:
        try:
            from google.cloud import aiplatform
            from google.cloud.aiplatform_v1 import PipelineServiceClient
        except ImportError:
            raise ConfigError(
                "submit: needs google-cloud-aiplatform; install textmill[vertex]"
            ) from None
        if config.project is None:
            raise ConfigError(
                "run.vertex.project: expected a Google Cloud project, found none"
            )
        self._config, self._api = config, aiplatform
        logging.getLogger("google.cloud.aiplatform").setLevel(logging.ERROR)
        with self._answering():
            import google.auth

            scopes = ["https://www.googleapis.com/auth/cloud-platform"]
            credentials, _ = google.auth.default(scopes=scopes)
            aiplatform.init(
                project=config.project,
                location=config.location,
                credentials=credentials,
                api_endpoint=config.endpoint,
                api_transport="rest",
            )
            address = config.endpoint or f"{config.location}-aiplatform.googleapis.com"
            self._jobs = PipelineServiceClient(
                credentials=credentials,
                transport="rest",
                client_options={"api_endpoint": address},
            )

    def find(self, submission: Submission) -> str | None:
        """Returns the resource name of the job, or of the oldest schedule."""
        with self._answering():
            if submission.cron is None:
                return self._known(submission.name)
            schedules = self._api.PipelineJobSchedule.list(
                filter=f'display_name="{submission.name}"', order_by="create_time"
            )
            return str(schedules[0].resource_name) if schedules else None

    def create(self, submission: Submission) -> str:
        """Creates a job, or a schedule of one."""
        vertex = self._config
        identity = {
            "service_account": vertex.service_account,
            "network": vertex.network,
        }
        with self._answering(), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pipeline.yaml"
            path.write_bytes(submission.spec)
            job = self._api.PipelineJob(
                display_name=submission.name,
                template_path=str(path),
                job_id=submission.name,
                pipeline_root=f"{submission.root}/vertex",
                parameter_values=dict(submission.values),
                labels={**vertex.labels, "textmill": submission.name[:63]},
                encryption_spec_key_name=vertex.encryption_key,
                failure_policy=vertex.failure_policy,
            )
            if submission.cron is not None:
                schedule = job.create_schedule(
                    submission.cron,
                    submission.name,
                    create_request_timeout=_TIMEOUT_SECONDS,
                    **identity,
                )
                return str(schedule.resource_name)
            # Not job.submit(): it first looks for the bucket's owner, for minutes if
            # that is forbidden, and creates the bucket if it is missing.
            request = job._gca_resource
            request.service_account = vertex.service_account or ""
            request.network = vertex.network or ""
            self._create_once(submission.name, request)
            return self._name(submission.name)

    def _create_once(self, job: str, request: Any) -> None:
        """Creates a job unless another process or an earlier attempt has."""
        from google.api_core.exceptions import AlreadyExists, Conflict

        parent = self._name(job).partition("/pipelineJobs/")[0]
        with contextlib.suppress(AlreadyExists, Conflict):
            self._jobs.create_pipeline_job(
                parent=parent, pipeline_job=request, pipeline_job_id=job, **_ONCE
            )

    def discard(self, id: str, submission: Submission) -> None:
        """Removes a schedule; two jobs of one name cannot exist."""
        if submission.cron is not None:
            self.cancel(id, submission)

    def status(self, id: str) -> Status:
        """Returns the state of a job."""
        with self._answering():
            job = self._jobs.get_pipeline_job(name=id, **_ONCE)
        details = job.job_detail.task_details
        tasks = {task.task_name: _word(task.state) for task in details}
        return Status(_word(job.state), tasks, self._page(id))

    def cancel(self, id: str, submission: Submission) -> None:
        """Ends a job, or removes a schedule."""
        with self._answering():
            if submission.cron is None:
                self._jobs.cancel_pipeline_job(name=id, **_ONCE)
            else:
                self._api.PipelineJobSchedule.get(id).delete(sync=True)

    def _name(self, job: str) -> str:
        vertex = self._config
        place = f"projects/{vertex.project}/locations/{vertex.location}"
        return f"{place}/pipelineJobs/{job}"

    def _page(self, id: str) -> str:
        vertex, job = self._config, id.rpartition("/")[2]
        place = f"locations/{vertex.location}/pipelines/runs/{job}"
        console = "https://console.cloud.google.com/vertex-ai"
        return f"{console}/{place}?project={vertex.project}"

    def _known(self, job: str) -> str | None:
        from google.api_core.exceptions import NotFound

        try:
            self._jobs.get_pipeline_job(name=self._name(job), **_ONCE)
        except NotFound:
            return None
        return self._name(job)

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        from google.api_core import exceptions
        from google.auth import exceptions as auth
        from requests import exceptions as network

        where = self._config.endpoint or f"{self._config.location}-aiplatform"
        where = f"Vertex AI ({where})"
        try:
            yield
        except auth.TransportError as error:
            raise Transient(f"{where}: does not answer ({error})") from error
        except auth.GoogleAuthError as error:
            raise RemoteError(
                f"{where}: no valid credentials ({_first(error)}); run `gcloud auth "
                "application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
            ) from error
        except exceptions.GoogleAPICallError as error:
            raise _fault(where, error) from error
        except (network.ConnectionError, network.Timeout) as error:
            raise Transient(f"{where}: does not answer ({_first(error)})") from error


def _fault(where: str, error: Any) -> Exception:
    what = f"{where}: answers {error.code:d} {_first(error.message)}"
    if error.code in _REFUSED:
        return RemoteError(
            f"{what}; give the account the role Vertex AI User in the project, and "
            "Service Account User on run.vertex.service_account"
        )
    if error.code in _BUSY:
        headers = getattr(error.response, "headers", None) or {}
        value = headers.get("Retry-After", "")
        return Transient(what, float(value) if value.isdecimal() else None)
    return RemoteError(what)


def _first(error: object) -> str:
    return str(error).strip().partition("\n")[0][:300]


def _word(state: Any) -> str:
    """Returns ``running`` of PIPELINE_STATE_RUNNING."""
    word = str(getattr(state, "name", state)).rpartition("STATE_")[2].lower()
    return "pending" if word in ("", "unspecified", "queued") else word
