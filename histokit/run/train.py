"""`histokit train`: from a plan to a finished run folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from histokit.errors import DataError, HistokitError, Interrupted, UsageError
from histokit.io.runs import RunFolder
from histokit.run.events import Event, Noted
from histokit.run.fitting import memory_hint
from histokit.run.inputs import open_domains
from histokit.run.machine import Machine, open_machine
from histokit.run.plan import RunPlan, plan_of_run
from histokit.run.ranks import ending_together
from histokit.run.session import Session
from histokit.run.tensorboard import require_tensorboard


def train(plan: RunPlan) -> Iterator[Event]:
    """Trains once for each repeat, with seeds counting up, and fold; yields what happens.

    Of several processes that train together the first alone yields.
    """
    if plan.run.tensorboard:
        require_tensorboard()
    machine = _machine(plan)
    for once in plan.rounds():
        with ending_together(machine):
            open_domains(once, None)  # what is wrong with the data is told before a folder is made
            run = _shared_folder(once, machine)
        yield from _of_first(machine, _train(once, machine, run, resume=False))


def resume(path: Path, method: str = "") -> Iterator[Event]:
    """Goes on with a run that was stopped; its result equals one that never stopped.

    Raises UsageError where it is not a run of `method`, if that is given.
    """
    run = RunFolder.open(path)
    plan = plan_of_run(run.settings())
    if method and plan.spec.name != method:
        raise UsageError(
            f"{path} is not a run of {method}",
            found=f"a run of {plan.spec.name}",
            hint=f"histokit train {plan.spec.name} --resume {path}",
        )
    machine = _machine(plan)
    if run.state().get("status") == "finished":
        yield from _of_first(machine, [Noted(f"{run.path} is finished; nothing to do")])
        return
    with ending_together(machine):  # before the first writes anything
        begun = all(machine.gathered(run.begun))
    yield from _of_first(machine, _train(plan, machine, run, resume=begun))


def _machine(plan: RunPlan) -> Machine:
    run = plan.run
    return open_machine(
        run.device,
        run.precision,
        devices=run.devices,
        nodes=run.nodes,
        strategy=run.strategy,
        threads=run.threads,
    )


def _of_first(machine: Machine, events: Iterable[Event]) -> Iterator[Event]:
    """The events in the first process, and none in the others."""
    for event in events:
        if machine.rank == 0:
            yield event


def _shared_folder(plan: RunPlan, machine: Machine) -> RunFolder:
    path = ""
    if machine.rank == 0:
        run = RunFolder.create(plan.run.runs, plan.spec.name, plan.digest())
        run.write_settings(plan.settings())
        path = str(run.path)
    return RunFolder(Path(machine.fabric.broadcast(path)))


def _train(plan: RunPlan, machine: Machine, run: RunFolder, *, resume: bool) -> Iterator[Event]:
    with _locked(run, machine):
        try:
            with ending_together(machine):
                with memory_hint():
                    session = Session.begin(plan, machine, run, resume=resume)
                yield from session.go()
        except (Exception, KeyboardInterrupt) as error:
            if machine.rank == 0:
                _note_end(run, error)
            raise


@contextmanager
def _locked(run: RunFolder, machine: Machine) -> Iterator[None]:
    """Holds the folder for the first process."""
    with ExitStack() as held:
        with ending_together(machine):
            if machine.rank == 0:
                held.enter_context(run.lock())
        yield


def _note_end(run: RunFolder, error: BaseException) -> None:
    """Writes down why a run ended, as far as the disk takes it."""
    status = "interrupted" if isinstance(error, Interrupted) else "failed"
    what = error.what if isinstance(error, HistokitError) else repr(error)
    with suppress(DataError):  # on a full disk; `error` goes on to the user
        run.write_state(status=status, reason=what)
        run.event(status, reason=what)
        run.log(f"{status}: {error}")
