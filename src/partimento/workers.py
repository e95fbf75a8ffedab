"""Tasks in processes of their own, of which one may crash, hang or fill memory and costs one item only."""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, cast

TICK = 0.25
"""Seconds between two looks at what the processes are doing."""

_BETWEEN = -1
_SLOT = struct.Struct("q")


class Task(ABC):
    """Work on numbered items that can be pickled; its class must be importable by name."""

    @abstractmethod
    def run(self, without: Mapping[int, str], begin: Callable[[int | None], None]) -> Any:
        """Do the work and return a small result that can be pickled.

        Args:
            without: Items that crashed or hung a process, with the reason; they are not touched.
            begin: To be called with each item before it is touched, and with None after the last.
        """

    @abstractmethod
    def probe(self, item: int) -> None:
        """Do with one item alone what may be dangerous, and keep nothing."""


class WorkerFailure(RuntimeError):
    """A task failed for a reason that is none of its items' fault."""


@dataclass
class _Job:
    task: Task
    without: dict[int, str] = field(default_factory=dict)
    probed: set[int] = field(default_factory=set)
    probing: int | None = None


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    tasks: Iterable[Task],
    workers: int,
    *,
    seconds: float = 60.0,
    memory: int | None = None,
    tick: Callable[[int], None] | None = None,
) -> Iterator[Any]:
    """Yield the results of tasks as they are done, in no certain order.

    A process that dies, or stays with one item for too long, is replaced. The item is then tried
    alone in a fresh process; when that dies too, or the task dies at the item once more, the task
    is run without it. The processes are not forked, need no `__main__` guard, and end with this one.

    Args:
        tasks: What to do; a task is taken only when a process is free for it.
        workers: Number of processes; 0 does the work in this one, without any protection.
        seconds: How long one item may take.
        memory: Address space of each process in bytes, beyond which it has a MemoryError.
        tick: Called some times a second with the number of items that the tasks under way have
            behind them.

    Raises:
        WorkerFailure: When a task raises, or a process dies outside any item.
    """
    if workers == 0:
        for task in tasks:
            yield task.run({}, lambda item: None)
        return
    pool = _Pool(tasks, workers, memory)
    try:
        while pool.fill():
            yield from pool.look(seconds)
            if tick is not None:
                tick(sum(max(0, worker.item) for worker in pool.workers if worker.job is not None))
    finally:
        for worker in pool.workers:
            worker.stop()


class _Pool:
    """The processes, the tasks that wait for one, and those that need another one."""

    def __init__(self, tasks: Iterable[Task], size: int, memory: int | None) -> None:
        self.workers: list[_Worker] = []
        self._waiting = (_Job(task) for task in tasks)
        self._again: list[_Job] = []
        self._size = size
        self._memory = memory

    def fill(self) -> bool:
        """Give every free process a job while there are any; tell whether one is under way."""
        for worker in self.workers:
            if worker.job is None:
                worker.take(self._next())
        while len(self.workers) < self._size and (job := self._next()) is not None:
            self.workers.append(_Worker(self._memory))
            self.workers[-1].take(job)
        return any(worker.job is not None for worker in self.workers)

    def look(self, seconds: float) -> Iterator[Any]:
        """Wait for news, for a tick at most, and yield the results among them."""
        busy = [worker for worker in self.workers if worker.job is not None]
        wait([worker.connection for worker in busy], timeout=TICK)
        for worker in busy:
            job, kind, content = worker.look(seconds)
            if kind == "done":
                yield content
            elif kind != "busy":
                self._again.append(job)
                if kind == "died":
                    self.workers.remove(worker)

    def _next(self) -> _Job | None:
        return self._again.pop() if self._again else next(self._waiting, None)


class _Worker:
    """One process, the pipe to it, and the number of the item that it is at.

    The number lies in memory that both map, so that it is known whatever ends the process and
    costs no message per item.
    """

    def __init__(self, memory: int | None) -> None:
        self.connection, theirs = Pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._slot_file = tempfile.TemporaryFile()  # noqa: SIM115
        self._slot_file.write(_SLOT.pack(_BETWEEN))
        self._slot_file.flush()
        self._slot = mmap.mmap(self._slot_file.fileno(), _SLOT.size)
        handles = theirs.fileno(), self._slot_file.fileno()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"from partimento.workers import serve; serve{(*handles, memory)}",
            ],
            pass_fds=handles,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **_ONE_THREAD},
        )
        theirs.close()
        self.job: _Job | None = None
        self._seen = (_BETWEEN, 0.0)

    @property
    def item(self) -> int:
        """Number of the item that the process is at."""
        return int(_SLOT.unpack_from(self._slot)[0])

    def take(self, job: _Job | None) -> None:
        """Start on a job, if there is one."""
        self.job = job
        if job is not None:
            self._seen = (_BETWEEN, time.monotonic())
            _SLOT.pack_into(self._slot, 0, _BETWEEN)
            # A process that is gone is noticed when it is looked at.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.connection.send_bytes(pickle.dumps((job.task, job.without, job.probing)))

    def look(self, seconds: float) -> tuple[_Job, str, Any]:
        """Return the job and "busy", "done" and the result, "probed", or "died"."""
        job = cast(_Job, self.job)
        try:
            if not self.connection.poll():
                item, since = self._seen
                if self.item != item:
                    self._seen = (self.item, time.monotonic())
                elif item != _BETWEEN and time.monotonic() - since > seconds:
                    self._died(job, f"took longer than {seconds:g} s")
                    return job, "died", None
                return job, "busy", None
            good, content = pickle.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionResetError):
            code = self._process.wait()
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            self._died(job, f"ended the process that read it ({name})")
            return job, "died", None
        if not good:
            raise WorkerFailure(content)
        self.job = None
        if job.probing is None:
            return job, "done", content
        job.probed.add(job.probing)
        job.probing = None
        return job, "probed", None

    def _died(self, job: _Job, why: str) -> None:
        item = self.item
        if item == _BETWEEN:
            self._errors.seek(0)
            told = self._errors.read()[-2000:].decode(errors="replace").strip()
            raise WorkerFailure(f"A worker process {why}. {told}")
        self.stop()
        if job.probing is None and item not in job.probed:
            job.probing = item
        else:
            job.without[item], job.probing = why, None

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        self.connection.close()
        self._slot.close()
        self._slot_file.close()
        self._errors.close()


# One core each: the work is spread over processes.
_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}


def serve(connection_handle: int, slot_handle: int, memory: int | None) -> None:
    """Do tasks until the other end of the pipe is closed (what a worker process runs)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gave the tasks
    if memory is not None:
        _limit_memory(memory)
    slot = mmap.mmap(slot_handle, _SLOT.size)

    def begin(item: int | None) -> None:
        _SLOT.pack_into(slot, 0, _BETWEEN if item is None else item)

    connection = Connection(connection_handle)
    while True:
        try:
            task, without, probing = pickle.loads(connection.recv_bytes())
        except EOFError:
            return
        try:
            answer = (True, _done(task, without, probing, begin))
        except Exception:
            answer = (False, traceback.format_exc())
        begin(None)
        try:
            connection.send_bytes(pickle.dumps(answer))
        except BrokenPipeError:
            return


def _done(
    task: Task,
    without: Mapping[int, str],
    probing: int | None,
    begin: Callable[[int | None], None],
) -> Any:
    if probing is None:
        return task.run(without, begin)
    begin(probing)
    task.probe(probing)
    return None


def _limit_memory(limit: int) -> None:
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    except (ValueError, OSError):
        return  # a system, such as macOS, that knows no such limit; the time limit is left
