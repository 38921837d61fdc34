"""A batch of messages: which of them are done, and which are to come again."""

import asyncio
import functools
import time
from typing import Final, NamedTuple

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from depthcast.errors import DepthcastError, SegmentError, StoreError
from depthcast.store.delivery import Delivered, Fate, deliver
from depthcast.store.notices import SegmentNotice, notices_in, segment_notice
from functions.queue import Queue
from functions.runtime import MARGIN_S, Runtime

__all__ = ["Batch", "OutOfTimeError", "Poison"]

_METRICS: Final = {
    Fate.COMPACTED: "SegmentsCompacted",
    Fate.KNOWN: "SegmentsKnown",
    Fate.GONE: "SegmentsGone",
}


class Poison(NamedTuple):
    """A message, and why trying it again does not help. The segment's path is empty where it names none."""

    body: str
    reason: str
    segment: str


class OutOfTimeError(DepthcastError):
    """The invocation ends before this can be done."""


class Batch:
    """The messages of one invocation.

    Args:
        runtime: of the function.
        context: of the invocation: how much time there is.
    """

    def __init__(self, runtime: Runtime, context: LambdaContext) -> None:
        self._runtime = runtime
        self._context = context
        self._begun = False
        self._away: StoreError | None = None

    def take(self, record: SQSRecord) -> None:
        """Do what a message says.

        Raises:
            Exception: of any kind: the message is to come again. The others of the batch are taken.
        """
        try:
            self._take(record)
        except DepthcastError as error:
            self._runtime.logger.warning(
                "the message comes again", message_id=record.message_id, reason=str(error)
            )
            self._runtime.count("MessagesRetried")
            raise
        except Exception:
            self._runtime.logger.exception("the message comes again", message_id=record.message_id)
            self._runtime.count("MessagesRetried")
            raise

    def _take(self, record: SQSRecord) -> None:
        """All of a message's segments are tried. What is poison is put away only if nothing else is wrong."""
        poisons: list[Poison] = []
        failures: list[DepthcastError] = []
        try:
            notices = notices_in(record.body)
        except ValueError as error:
            notices = []
            poisons.append(Poison(record.body, str(error), ""))
        for notice in notices:
            segment = segment_notice(self._runtime.objects, notice)
            if segment is None:
                self._runtime.logger.info("not a segment of this place", bucket=notice.bucket, key=notice.key)
                self._runtime.count("NoticesIgnored")
                continue
            try:
                self._deliver(segment)
            except SegmentError as error:
                poisons.append(Poison(notice.body, error.reason, error.path))
            except DepthcastError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        for poison in poisons:
            self._put_away(poison, record.message_id)
        sent_ms = int(record.attributes.sent_timestamp or 0)
        self._runtime.metrics.add_metric(
            "MessageDelay", MetricUnit.Milliseconds, max(0, time.time() * 1000 - sent_ms)
        )

    def _deliver(self, notice: SegmentNotice) -> None:
        with self._runtime.span("segment", key=notice.place.segment_key) as span:
            for each in self._runtime.run(self._within_the_time(notice)):
                self._runtime.logger.info("segment", key=each.key, fate=each.fate.value, rows=each.rows)
                self._runtime.count(_METRICS[each.fate])
                self._runtime.count("Rows", each.rows)
                span.add_event(each.fate.value, {"key": each.key, "rows": each.rows})

    async def _within_the_time(self, notice: SegmentNotice) -> list[Delivered]:
        self._check_time()
        try:
            async with asyncio.timeout(self._left_s - MARGIN_S):
                return await self._connected(notice)
        except TimeoutError:
            raise OutOfTimeError(
                f"{notice.place.segment_key}: the invocation ends before it is done: nothing was changed"
            ) from None

    async def _connected(self, notice: SegmentNotice) -> list[Delivered]:
        if self._away is not None:
            raise self._away  # who is away is not asked again for each message of the batch
        is_there = False
        try:
            async with self._runtime.pool.connection() as connection:
                is_there = True
                grid_ms = self._runtime.settings.database.depth_grid_ms
                return await deliver(connection, notice, self._check_time, grid_ms=grid_ms)
        except StoreError as error:
            if not is_there:
                self._away = error
            raise

    def _check_time(self) -> None:
        """The first segment is begun in any case: else nothing ever came of a time that is set too short."""
        if self._left_s < (self._runtime.settings.functions.reserve_s if self._begun else MARGIN_S):
            raise OutOfTimeError("the invocation ends soon")
        self._begun = True

    @property
    def _left_s(self) -> float:
        return self._context.get_remaining_time_in_millis() / 1000

    def _put_away(self, poison: Poison, message_id: str) -> None:
        self._runtime.logger.error(
            "poison", message_id=message_id, segment=poison.segment, reason=poison.reason
        )
        self._runtime.count("MessagesPoisoned")
        url = self._runtime.settings.functions.dead_letters
        if not url:
            raise SegmentError(poison.reason, path=poison.segment or "message")
        said = {"reason": poison.reason, "segment": poison.segment, "message_id": message_id}
        _queue(url).send(poison.body, said)


@functools.cache
def _queue(url: str) -> Queue:
    return Queue(url)
