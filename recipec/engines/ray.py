"""Engine `ray`: the machines of a Ray cluster (Ray Core), which share the state folder and the files of the recipe.

Its address is that of `--address`, else of the environment (`RAY_ADDRESS`); without one, Ray is started on this machine
and ended with the engine. Ray schedules the tasks, ships them and runs those of a lost worker again; each makes the same
files as on this machine, by the same code.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from recipec import __version__, plugins
from recipec.database import confinement, session
from recipec.database.connection import Settings, connect
from recipec.diagnostics import Diagnostic, ExitCode, Failure
from recipec.engines.local import here
from recipec.execution.tasks import Workplace, perform
from recipec.inputs import shards
from recipec.ir.task import ReadTask, ScoreTask, Task
from recipec.places import local, sealed
from recipec.spec import Engine

AHEAD = 2
"""Orders per core of the cluster that are with Ray at once: the others wait here, however many there are."""

BYTES = 64_000_000
SHARDS = 256
"""Small shards are read together, up to this many of them and of their bytes in one order."""

RETRIES = 2
"""How often Ray runs an order again whose worker was lost."""

TASK: TypeAdapter[Task] = TypeAdapter(Task)


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is to do: tasks of one kind, as JSON, one after the other.

    Attributes:
        root, folder: the folders of `Workplace`.
        memory: bytes that DuckDB may use there.
    """

    tasks: tuple[str, ...]
    root: str
    folder: str
    memory: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an order was not performed: diagnostics, or stored files that were damaged and are removed."""

    diagnostics: tuple[Diagnostic, ...] = ()
    exit_code: ExitCode = ExitCode.ERROR
    damaged: tuple[str, ...] = ()

    def error(self) -> Failure | sealed.Damaged:
        if self.damaged:
            return sealed.Damaged([Path(path) for path in self.damaged])
        return Failure(*self.diagnostics, exit_code=self.exit_code)


def work(order: Order) -> Trouble | None:
    """Performs an order on the machine of the cluster that this is; None when all results exist."""
    root, folder = Path(order.root), Path(order.folder)
    tasks = [TASK.validate_json(one) for one in order.tasks]
    try:
        read = [shards.path(task.shard, folder) for task in tasks]
        readable = (folder, root, *local.links_in(root), *confinement.folders_of(read))
        with (
            tempfile.TemporaryDirectory(prefix="recipec-") as temporary,
            connect(
                Settings(f"{order.memory}B", 1, Path(temporary)), folders=(*readable, Path(temporary))
            ) as connection,
        ):
            place = Workplace(connection, root, folder, 1)
            for task in tasks:
                _check_plugins(task)
                perform(task, place, here)
    except Failure as failure:
        return Trouble(failure.diagnostics, failure.exit_code)
    except sealed.Damaged as damaged:
        return Trouble(damaged=tuple(map(str, damaged.paths)))
    return None


def _check_plugins(task: Task) -> None:
    """Raises Failure if this machine has other packages of a task's words than the plan was made with."""
    for op in task.ops if isinstance(task, ScoreTask) else ():
        if (wanted := op.call.plugin) is None:
            continue
        there = [offer.plugin for offer in plugins.offers("criteria", op.call.function)]
        if wanted not in there:
            has = ", ".join(f"{one.package} {one.version}" for one in there) or "no package with it"
            message = f"criterion `{op.call.function}` is of {wanted.package} {wanted.version}, and a worker has {has}"
            raise Failure(Diagnostic("R2001", message, op.call.origin.span, helps=(SAME,)))


SAME = "install the same packages on all machines of the cluster"


def look(place: str) -> tuple[str, bool]:
    """The version of recipec on the machine of the cluster that this is, and whether it has a file."""
    return __version__, local.exists(Path(place))


@dataclass(slots=True)
class Cluster:
    """Runs tasks on a cluster (`execution.tasks.Runner`).

    Attributes:
        ray: the package.
        orders: what is with Ray, and the numbers of the tasks in it.
    """

    ray: Any
    place: Workplace
    orders: dict[Any, list[int]] = field(default_factory=dict)

    def run(self, tasks: Sequence[Task]) -> Iterator[Task]:
        """Performs tasks and yields each when its results exist (see `execution.tasks.Runner`)."""
        waiting = _grouped(tasks)
        waiting.reverse()
        failed: dict[int, Trouble] = {}
        run = self.ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        memory = max(LEAST_MEMORY, session.memory_limit(self.place.connection) // self.place.threads)
        try:
            while waiting or self.orders:
                most = AHEAD * self._cores()
                while waiting and not failed and len(self.orders) < most:
                    numbers = waiting.pop()
                    self.orders[run.remote(self._order([tasks[n] for n in numbers], memory))] = numbers
                if not self.orders:
                    break
                ended, _ = self.ray.wait(list(self.orders), num_returns=1)
                numbers = self.orders.pop(ended[0])
                problem = self._result(ended[0], tasks[numbers[0]])
                if problem is None:
                    yield from (tasks[number] for number in numbers)
                else:
                    failed[numbers[0]] = problem
        finally:
            for order in self.orders:
                self.ray.cancel(order, force=True)
            self.orders.clear()
        if failed:
            # Whichever fails first in time, the first one in order is reported.
            raise failed[min(failed)].error()

    def _cores(self) -> int:
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def _order(self, tasks: Sequence[Task], memory: int) -> Order:
        texts = tuple(task.model_dump_json() for task in tasks)
        return Order(texts, str(self.place.root.resolve()), str(self.place.folder.resolve()), memory)

    def _result(self, order: Any, first: Task) -> Trouble | None:
        try:
            found: Trouble | None = self.ray.get(order)
        except self.ray.exceptions.RayError as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            helps = (f"Ray says: {reason}", "give a worker more memory, or read with fewer threads (`--threads`)")
            message = f"a worker of the cluster was lost {RETRIES + 1} times at this shard"
            return Trouble((Diagnostic("R2002", message, place=first.shard.path, helps=helps),))
        return found


LEAST_MEMORY = 256_000_000


def _grouped(tasks: Sequence[Task]) -> list[list[int]]:
    """The numbers of the tasks of each order, in order: small shards of one source are read together."""
    groups: list[list[int]] = []
    size = 0
    for number, task in enumerate(tasks):
        before = tasks[groups[-1][-1]] if groups else None
        together = (
            isinstance(task, ReadTask)
            and isinstance(before, ReadTask)
            and before.op is task.op
            and len(groups[-1]) < SHARDS
            and size + task.shard.bytes <= BYTES
        )
        if together:
            groups[-1].append(number)
            size += task.shard.bytes
        else:
            groups.append([number])
            size = task.shard.bytes
    return groups


@contextlib.contextmanager
def open_ray(place: Workplace) -> Iterator[Cluster]:
    """Joins the cluster, after a look at all of its machines, and leaves it when the block ends.

    Raises:
        Failure: Ray is not installed, there is no cluster at the address, or a machine of it lacks recipec, has another
            version or does not see the state folder.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray: Any
    try:
        # By name: whoever checks types here need not have it.
        ray = importlib.import_module("ray")
        importlib.import_module("ray.util.scheduling_strategies")
    except ImportError:
        raise Failure(
            Diagnostic("R2001", "engine `ray` needs the package ray", helps=("pip install 'recipec[ray]'",))
        ) from None
    address = os.environ.get("RAY_ADDRESS") or None
    if address is not None and (refused := _refused(address)):
        raise _unreachable(address, refused)
    if ray.is_initialized():
        yield _checked(ray, place)
        return
    # Ray puts the current folder, which may be a stranger's, on the path of its workers.
    with tempfile.TemporaryDirectory(prefix="recipec-") as empty, contextlib.chdir(empty):
        try:
            own = {} if address else {"include_dashboard": False, "num_cpus": place.threads}
            ray.init(address or "local", log_to_driver=False, logging_level="ERROR", **own)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise _unreachable(address or "this machine", str(error) or type(error).__name__) from None
    try:
        yield _checked(ray, place)
    finally:
        ray.shutdown()


def _refused(address: str) -> str:
    """Why nothing answers at an address, or "": Ray itself would try for minutes, and then end this process."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return ""
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER).close()
    except (OSError, OverflowError, UnicodeError) as error:
        return str(error)
    return ""


ANSWER = 20.0
"""Seconds within which a cluster has to answer."""


def _unreachable(address: str, reason: str) -> Failure:
    helps = (reason.strip().splitlines()[0], "start one with `ray start --head`, or leave the address out")
    return Failure(Diagnostic("R2001", f"no Ray cluster can be reached at `{address}`", helps=helps))


def _checked(ray: Any, place: Workplace) -> Cluster:
    """The cluster, if each of its machines has this recipec and sees the state folder."""
    token = place.root / f"seen-{secrets.token_hex(8)}"
    local.write_text(token, "")
    problems = []
    try:
        looking = {}
        for node in ray.nodes():
            if node["Alive"]:
                there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                one = ray.remote(num_cpus=0, max_retries=RETRIES, scheduling_strategy=there)(look)
                looking[node["NodeManagerAddress"], node["NodeID"][:8]] = one.remote(str(token.resolve()))
        for (host, name), found in looking.items():
            try:
                version, seen = ray.get(found)
            except (ray.exceptions.TaskUnschedulableError, ray.exceptions.NodeDiedError):
                # It left in this moment: nothing will run there.
                continue
            except ray.exceptions.RayError as error:
                last = (str(error).strip().splitlines() or [type(error).__name__])[-1]
                problems.append((f"machine {host} ({name}) of the cluster cannot run recipec: {last}", SAME))
                continue
            if version != __version__:
                problems.append((f"machine {host} ({name}) has recipec {version}, and this one {__version__}", SAME))
            if not seen:
                words = "let all machines have the project's folder under the same path, as on a shared file system"
                problems.append((f"machine {host} ({name}) does not see the state folder {place.root}", words))
    finally:
        local.remove(token)
    if problems:
        raise Failure(*(Diagnostic("R2001", words, helps=(helps,)) for words, helps in problems))
    return Cluster(ray, place)


SPEC = Engine(
    name="ray",
    summary="the machines of a Ray cluster",
    open=open_ray,
)
