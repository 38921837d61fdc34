"""What an invocation finds ready because an earlier one made it: settings, event loop, connections."""

import asyncio
import dataclasses
import functools
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from aws_lambda_powertools.utilities.typing import LambdaContext
from opentelemetry.trace import Span

from depthcast.errors import SettingsError, StoreError
from depthcast.journal.objects import Objects, open_objects
from depthcast.settings import Settings, load
from depthcast.store.connect import Database
from depthcast.store.passwords import secret_password
from depthcast.store.pool import Pool
from depthcast.telemetry.logs import configure_logs
from depthcast.telemetry.traces import Traces, xray_parent

__all__ = ["MARGIN_S", "Runtime"]

T = TypeVar("T")
Handler = Callable[[dict[str, Any], LambdaContext], T]

MARGIN_S: Final = 3.0
"""What is under way is given up so long before an invocation's end: its transaction ends in good order."""

_NAMESPACE: Final = "Depthcast"
_SECRET_S: Final = 5
"""For so long a secret is not asked for again; after that a rotated password is seen."""


class Runtime:
    """One function's process. What it needs is made at the first use, and kept for later invocations.

    Args:
        service: the function's name in logs, metrics and traces.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.logger = Logger(service=service)
        configure_logs(for_people=False)  # of what is below: lines of JSON too
        namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or _NAMESPACE  # a stack may have its own
        self.metrics = Metrics(namespace=namespace, service=service)
        self._runner = asyncio.Runner()

    @functools.cached_property
    def settings(self) -> Settings:
        """As the variables say."""
        return load(Settings).settings

    @functools.cached_property
    def database(self) -> Database:
        """The database of the settings."""
        settings = self.settings.database
        if settings.url is None:
            raise SettingsError("a function has no database of its own: set DEPTHCAST_DATABASE_URL")
        database = Database.of(settings)
        if settings.auth == "secret":
            return dataclasses.replace(database, password=secret_password(settings.secret_id, _secret))
        return database

    @functools.cached_property
    def pool(self) -> Pool:
        """The one connection that is kept: an invocation has the process for itself."""
        return Pool(self.database, sure_s=0)

    @functools.cached_property
    def objects(self) -> Objects:
        """Where the journals' segments are."""
        if not self.settings.journal.store:
            raise SettingsError(
                "say where the segments are: set DEPTHCAST_JOURNAL_STORE to s3://BUCKET/PREFIX"
            )
        return open_objects(self.settings.journal.store)

    @functools.cached_property
    def traces(self) -> Traces:
        """Where spans go."""
        return Traces(self.service)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the event loop of this process."""
        return self._runner.run(work)

    def count(self, name: str, number: float = 1) -> None:
        """Add to a metric that counts."""
        self.metrics.add_metric(name, MetricUnit.Count, number)

    def span(self, name: str, **attributes: str | int) -> AbstractContextManager[Span]:
        """A span of the traces, within the one that is open."""
        return self.traces.tracer.start_as_current_span(name, attributes=attributes)

    def handler(self, handle: Handler[T]) -> Handler[T]:
        """Make a handler: its logs name the invocation, its metrics and spans are sent before it returns."""

        def traced(event: dict[str, Any], context: LambdaContext) -> T:
            parent = xray_parent(os.environ.get("_X_AMZN_TRACE_ID", ""))
            try:
                with self.traces.tracer.start_as_current_span(self.service, context=parent) as span:
                    span.set_attribute("faas.invocation_id", context.aws_request_id)
                    return handle(event, context)
            finally:
                self.traces.flush()

        measured = self.metrics.log_metrics(traced, capture_cold_start_metric=True)
        return self.logger.inject_lambda_context(measured, clear_state=True)


def _secret(secret_id: str) -> str:
    try:
        found: object = parameters.get_secret(secret_id, max_age=_SECRET_S)
    except GetParameterError as error:
        raise StoreError(f"secret {secret_id}: {error}") from error
    if not isinstance(found, str):
        raise StoreError(f"secret {secret_id}: it holds bytes, not text")
    return found
