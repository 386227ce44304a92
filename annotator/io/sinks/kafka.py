"""Lines, or msgpack objects, to a Kafka topic, one message each. Needs kafka-python: `audit-containers[kafka]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from annotator.core.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Producer(Protocol):
    """What is used of `kafka.KafkaProducer`."""

    def send(self, topic: str, value: bytes) -> Any:
        """Queue one message; the future it returns says how it went."""
        ...

    def flush(self, timeout: float | None = None) -> None:
        """Wait until what is queued was taken."""
        ...

    def close(self, timeout: float | None = None) -> None:
        """Let go."""
        ...


class KafkaSink:
    """Sends each unit (a line without its newline, or with `lines` False each write) as a message.

    A write counts as done when the brokers have taken all of it (acks=all): a unit that failed is counted as dropped,
    and raises SinkError.
    """

    def __init__(
        self,
        brokers: Sequence[str],
        topic: str,
        *,
        lines: bool = True,
        timeout_s: float = 10,
        make: Callable[[Sequence[str]], Producer] | None = None,
    ) -> None:
        self.topic = topic
        self.written = self.dropped_bytes = self.dropped_lines = 0
        self._lines = lines
        self._timeout = timeout_s
        self._producer = (make or _producer)(brokers)

    def write(self, data: bytes) -> None:
        """Send these units and wait until they are taken."""
        units = data.split(b"\n") if self._lines else [data]
        try:
            waiting = [(unit, self._producer.send(self.topic, unit)) for unit in units if unit]
            self._producer.flush(self._timeout)
        except _errors() as error:
            self._drop(units)
            raise SinkError(f"kafka topic {self.topic}: {error}", "Are the brokers there?") from error
        failed = [unit for unit, future in waiting if not future.succeeded()]
        self.written += sum(len(unit) + self._lines for unit, _ in waiting)
        if failed:
            self.written -= sum(len(unit) + self._lines for unit in failed)
            self._drop(failed)
            raise SinkError(
                f"kafka topic {self.topic}: {len(failed)} messages were not taken", "See the brokers' logs."
            )

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Let go."""
        self._producer.close(self._timeout)

    def _drop(self, units: Sequence[bytes]) -> None:
        lost = [unit for unit in units if unit]
        self.dropped_lines += len(lost)
        self.dropped_bytes += sum(len(unit) + self._lines for unit in lost)


def _producer(brokers: Sequence[str]) -> Producer:
    try:
        from kafka import KafkaProducer
        from kafka.errors import KafkaError
    except ImportError as error:
        advice = "pip install 'audit-containers[kafka]'"
        raise SinkError("Kafka needs the Python package kafka-python", advice) from error
    try:
        made: Producer = KafkaProducer(
            bootstrap_servers=list(brokers),
            acks="all",
            linger_ms=5,
            max_block_ms=5000,
            bootstrap_timeout_ms=5000,
            request_timeout_ms=5000,
            delivery_timeout_ms=10_000,
        )
    except KafkaError as error:
        raise SinkError(f"kafka {', '.join(brokers)}: {error}", "Are the brokers there?") from error
    return made


def _errors() -> tuple[type[Exception], ...]:
    """What the client raises; without it only what the system raises."""
    try:
        from kafka.errors import KafkaError
    except ImportError:
        return (OSError,)
    return (KafkaError, OSError)
