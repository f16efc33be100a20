"""What methods of optimizers and schedulers do and return while a script is followed."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from cadence._errors import ScriptError
from cadence.script.find import STEPS
from cadence.script.model import is_number
from cadence.script.sims import Improving, MovingOptimizer, MovingScheduler, Pulled

if TYPE_CHECKING:
    from cadence.script.follow import Follower
    from cadence.script.instance import Names


class Methods:
    """Methods in one script."""

    def __init__(self, run: Follower) -> None:
        self._run = run
        self._of = run.resolver

    def of_optimizer(self, held: MovingOptimizer, attr: str, node: ast.Call, args: list[Any], env: Names) -> Any:
        """A method of an optimizer."""
        if attr in STEPS and attr != "second_step":
            self._run.update(held, node)
        elif attr == "set_lr" and args:
            self._run.assignments.write(held.groups[0], "lr", args[0], node)
        elif attr == "get_lr":
            return held.rates(held.updates)[0]
        elif attr == "add_param_group":
            raise ScriptError(
                f"{self._run.at(node)} adds a parameter group in mid-run, which is not followed; give all groups "
                f"at once"
            )
        elif attr == "update":
            return self.optax_update(node)
        return self._of.unknown(node)

    def of_scheduler(self, held: MovingScheduler, attr: str, node: ast.Call, args: list[Any], env: Names) -> Any:
        """A method of a scheduler."""
        if attr in ("get_last_lr", "get_lr"):
            count = 1 if held.optimizer is None else len(held.optimizer.groups)
            now = [held.at(g) for g in range(count)]
            return now[0] if isinstance(held, Pulled) else now
        if attr not in STEPS:
            return self._of.unknown(node)
        keywords = {k.arg: self._run.compute(k.value, env) for k in node.keywords}
        epoch: Any = args[0] if args else keywords.get("epoch", keywords.get("num_updates"))
        if isinstance(held, Improving):
            self._run.assumed[
                f"the metric of the {held.scheduler.name} in line {held.scheduler.line} always improves"
            ] = None
            epoch = None
        elif epoch is not None and not is_number(epoch):
            text = ", ".join(self._of.source(a) for a in (*node.args, *(k.value for k in node.keywords)))
            raise ScriptError(
                f"{self._run.at(node)} gives {text} to the step of a {held.scheduler.name}, which takes it for an "
                f"epoch, and its value cannot be told; write step()"
            )
        self._run.step(held, node, epoch)
        return None

    def optax_update(self, node: ast.Call) -> Any:
        """An update of optax's, which belongs to no object that can be seen: of the optimizer that was made last."""
        own = [o for o in self._run.optimizers if o.optimizer.framework == "optax"]
        if own:
            self._run.update(own[-1], node)
        return self._of.unknown(node)
