"""Client of a Kubeflow Pipelines host."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textmill.models.errors import ConfigError, RemoteError
from textmill.pipeline.platforms.config import KubeflowConfig
from textmill.pipeline.platforms.submission import Status, Submission, Transient
from textmill.pipeline.secrets import resolve_secrets

_TIMEOUT_SECONDS = 60
_BUSY = (429, 500, 502, 503, 504)
_REFUSED = (401, 403)


class KubeflowHost:
    """Runs and recurring runs of one experiment.

    Raises:
        ConfigError: kfp is not installed, or no host is named.
        RemoteError: the host refuses.
        Transient: the host does not answer.
    """

    def __init__(self, config: KubeflowConfig) -> None:
        self._config = config
        in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
        if not (config.host or in_cluster or "KF_PIPELINES_ENDPOINT" in os.environ):
            raise ConfigError(
                "run.kubeflow.host: expected the address of Kubeflow Pipelines, found "
                "none; set it, or KF_PIPELINES_ENDPOINT"
            )
        with self._answering(), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            self._client = _client_class()(
                host=config.host,
                existing_token=resolve_secrets(config.token),
                namespace=config.namespace or "kubeflow",
            )
        self._limit_requests()

    def find(self, submission: Submission) -> str | None:
        """Returns the id of the oldest run, or recurring run, of this name."""
        equal = {"key": "display_name", "operation": "EQUALS"}
        predicate = equal | {"stringValue": submission.name}
        query = {
            "filter": json.dumps({"predicates": [predicate]}),
            "sort_by": "created_at",
            "page_size": 10,
            "namespace": self._config.namespace,
        }
        with self._answering():
            if submission.cron is not None:
                schedules = self._client.list_recurring_runs(**query)
                listed = schedules.recurring_runs or []
                ids = [(s.created_at, s.recurring_run_id) for s in listed]
            else:
                runs = self._client.list_runs(**query).runs or []
                ids = [(run.created_at, run.run_id) for run in runs]
        return str(min(ids)[1]) if ids else None

    def create(self, submission: Submission) -> str:
        """Creates a run, or a recurring one."""
        with self._answering(), _file_of(submission) as path:
            experiment = self._client.create_experiment(
                self._config.experiment or submission.pipeline,
                namespace=self._config.namespace,
            )
            options: dict[str, Any] = {
                "experiment_id": experiment.experiment_id,
                "job_name": submission.name,
                "pipeline_package_path": str(path),
                "params": dict(submission.values),
                "service_account": self._config.service_account,
            }
            if submission.cron is not None:
                schedule = self._client.create_recurring_run(
                    cron_expression=submission.cron, no_catchup=True, **options
                )
                return str(schedule.recurring_run_id)
            return str(self._client.run_pipeline(**options).run_id)

    def discard(self, id: str, submission: Submission) -> None:
        """Ends and deletes a run."""
        with self._answering():
            if submission.cron is None:
                self._client.terminate_run(id)
                self._client.delete_run(id)
            else:
                self._client.delete_recurring_run(id)

    def status(self, id: str) -> Status:
        """Returns the state of a run."""
        with self._answering():
            run = self._client.get_run(id)
        details = run.run_details.task_details if run.run_details else None
        tasks = {t.display_name: _word(t.state) for t in details or () if t.state}
        page = f"{(self._config.host or '').rstrip('/')}/#/runs/details/{id}"
        return Status(_word(run.state), tasks, page)

    def cancel(self, id: str, submission: Submission) -> None:
        """Ends a run, or removes a recurring one."""
        with self._answering():
            if submission.cron is None:
                self._client.terminate_run(id)
            else:
                self._client.delete_recurring_run(id)

    def _limit_requests(self) -> None:
        """Gives every request a time limit; the client itself sets none."""
        rest = self._client._run_api.api_client.rest_client
        request = rest.request

        def bounded(*arguments: Any, **options: Any) -> Any:
            options["_request_timeout"] = _TIMEOUT_SECONDS
            return request(*arguments, **options)

        rest.request = bounded

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        import urllib3.exceptions
        from kfp_server_api.exceptions import ApiException

        host = self._config.host or "Kubeflow Pipelines"
        try:
            # Keeps the client's output out of our results.
            with contextlib.redirect_stdout(sys.stderr):
                yield
        except ApiException as error:
            what = f"{host}: answers {error.status} {error.reason}"
            if error.status in _REFUSED:
                raise RemoteError(
                    f"{what}; set run.kubeflow.token to ${{env:NAME}} of a valid "
                    "token, or ask for access to the namespace"
                ) from error
            if error.status in _BUSY or not error.status:
                raise Transient(what, _pause(error.headers)) from error
            raise RemoteError(f"{what}: {_message(error.body)}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Transient(f"{host}: does not answer ({error})") from error


def _client_class() -> Any:
    """Returns KFP's client, with a single health check.

    The client itself checks five times and then hides the answer.
    """
    try:
        import kfp
    except ImportError:
        raise ConfigError("submit: needs kfp; install textmill[kubeflow]") from None

    class Client(kfp.Client):  # type: ignore[misc]
        def get_kfp_healthz(self, sleep_duration: int = 0) -> Any:
            return self._healthz_api.healthz_service_get_healthz()

    return Client


@contextlib.contextmanager
def _file_of(submission: Submission) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        path.write_bytes(submission.spec)
        yield path


def _word(state: str | None) -> str:
    word = (state or "pending").lower()
    return {"canceled": "cancelled", "canceling": "cancelling"}.get(word, word)


def _pause(headers: Any) -> float | None:
    value = (headers or {}).get("Retry-After", "")
    return float(value) if value.isdecimal() else None


def _message(body: Any) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(body)[:200]
