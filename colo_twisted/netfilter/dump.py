"""``filter-dump``: records packets in a pcap file and lets them pass."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, IMachine
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options.declare import ObjectType, prop
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.options.kinds import Integer, Text
from colo_twisted.packets.batch import MAX_FRAME, Batch
from colo_twisted.packets.pcap import file_header, records


@dataclass(frozen=True, kw_only=True)
class DumpProperties(FilterProperties):
    """QEMU's."""

    file: str = prop(Text("a path"), "the pcap file, made anew")
    maxlen: int = prop(Integer(1, MAX_FRAME), "bytes kept of each packet", default=65536)

    def claims(self) -> tuple[str, ...]:
        return (f"file {os.path.abspath(self.file)}",)

    def check_host(self) -> None:
        folder = os.path.dirname(self.file) or "."
        if not os.path.isdir(folder):
            raise OptionError(f"property 'file': there is no folder {folder}")


@dataclass
class DumpCounters(Counters):
    """Frames."""

    recorded: int = 0
    not_recorded: int = 0  # the file could not be written


class FilterDump(Filter):
    """A file that can't be written any more (a full disk) stops the record, not the frames."""

    def __init__(self, properties: DumpProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.counters: DumpCounters = DumpCounters()
        self._path = os.path.abspath(properties.file)  # before twistd's --rundir or daemonizing moves us
        self._maxlen = properties.maxlen
        self._fd: int | None = None

    def open(self) -> None:
        try:
            # O_NONBLOCK: a pipe that nobody reads must make no guest wait
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            os.write(self._fd, file_header(self._maxlen))
        except OSError as error:
            self.close()
            raise StartError(
                f"-object filter-dump,id={self.id}: property 'file': {self._path}: {error.strerror}"
            ) from None

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        if self._fd is not None and self._record(self._fd, records(batch, time.time(), self._maxlen)):
            self.counters.recorded += len(batch)
        else:
            self.counters.not_recorded += len(batch)
        return batch

    def _record(self, fd: int, record: bytes) -> bool:
        try:
            written = os.write(fd, record)
        except OSError as error:
            self._give_up(error.strerror)
            return False
        if written < len(record):
            with suppress(OSError):  # a pipe; in a file the record ends with the last whole batch
                os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR) - written)
            self._give_up("no space left")
            return False
        return True

    def _give_up(self, why: str | None) -> None:
        self.report.warn(f"{self._path} can't be written, the record ends here: {why}")
        self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            with suppress(OSError):  # what a network's file system could not write is known only now
                os.close(fd)


DUMP = ObjectType("filter-dump", "records packets in a pcap file", DumpProperties, FilterDump)
