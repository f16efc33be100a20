"""What all of cadence's optimizers for torch share."""

from __future__ import annotations

import inspect
import logging
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from cadence._errors import CompilerError, OptimizerError, StateError
from cadence.optim.kernels.kernel import Addresses, Kernel, kernel
from cadence.optim.kernels.source import Precision
from cadence.optim.rules.rule import Rule, check, defaults
from cadence.optim.stepping.torch_plain import update_whole
from cadence.optim.stepping.torch_program import Registers, update_in_pieces

Group = dict[str, Any]
Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

METHOD = "method"
"""Key of a group that says whose state it is."""

_PRECISIONS: dict[torch.dtype, Precision] = {torch.float32: "float", torch.float64: "double"}

_LOG = logging.getLogger("cadence.optim")


class Item(NamedTuple):
    """One tensor to update."""

    x: Tensor
    g: Tensor
    group: Group


class _Slot:
    """Where one parameter and its state lie.

    Args:
        x: the parameter.
        state: of the optimizer; tensors that lie in memory in another way than the parameter are laid out anew.
        names: of the states.
    """

    __slots__ = ("address", "addresses", "counter", "names", "shape", "size", "states", "step", "stride")

    def __init__(self, x: Tensor, state: dict[str, Tensor], names: tuple[str, ...]) -> None:
        for name in names:
            there = state[name]
            if there.stride() != x.stride() or there.dtype != x.dtype or not there.is_cpu:
                state[name] = torch.empty_like(x, requires_grad=False).copy_(there)
        if not state["step"].is_cpu or state["step"].dtype != torch.float32:
            state["step"] = state["step"].to("cpu", torch.float32)
        self.names, self.shape, self.stride, self.size = names, x.shape, x.stride(), x.numel()
        self.step, self.states = state["step"], [state[name] for name in names]
        self.address, self.counter = x.data_ptr(), self.step.data_ptr()
        self.addresses = [each.data_ptr() for each in self.states]


class TorchMethod(Optimizer):
    """A rule as a torch optimizer.

    On a processor all tensors of one precision are updated by one call of a compiled kernel. Elsewhere, under
    `torch.compile`, and where there is no C compiler, torch's own operations are used; the numbers agree to rounding.

    Args:
        params: parameters, or dicts that describe groups of them. Real numbers, dense gradients.
        settings: those of the rule, which may also stand in groups.
        compiled: None: by a kernel where that is possible, and a line in the log where there is no compiler; False:
            never; True: an error where there is no compiler.
        capturable: True: the counters of updates lie on the parameters' device, so that a step can be captured into a
            CUDA graph; a rate that changes must be a tensor there.
    """

    rule: ClassVar[type[Rule]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = _signature(cls.rule)  # type: ignore[attr-defined]

    def __init__(
        self, params: Params, *args: Any, compiled: bool | None = None, capturable: bool = False, **settings: Any
    ) -> None:
        given = _bound(type(self), args, settings)
        check(self.rule, given)
        _check_modes(compiled, capturable)
        self._compiled = compiled
        self._ratios: list[Any] = []
        self._slots: dict[int, _Slot] = {}
        super().__init__(_listed(params), {**given, "capturable": capturable, METHOD: self.rule.name})
        if compiled:
            self._try_compiler()

    # ---- groups and state ----------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; keys that it lacks take the values given to the constructor.

        Raises:
            OptimizerError: a setting out of its range, or parameters that cannot be trained.
        """
        if "params" not in param_group:
            raise OptimizerError(f"a parameter group needs the key 'params', and has {sorted(param_group)}; add it")
        group = {**param_group, "params": _listed(param_group["params"])}
        check(self.rule, {**self.defaults, **group})
        for entry in group["params"]:
            _check_parameter(entry[1] if isinstance(entry, tuple) else entry, self.rule.name)
        # The base that a schedule multiplies; a driver and torch's own schedulers keep it under the same name.
        lr = group.get("lr", self.defaults["lr"])
        group.setdefault("initial_lr", lr.item() if isinstance(lr, Tensor) else lr)
        try:
            super().add_param_group(group)
        except (TypeError, ValueError) as refused:
            raise OptimizerError(f"these parameters cannot be trained: {refused}") from refused

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:  # type: ignore[override]
        """Go on from a saved state.

        Raises:
            StateError: it is that of another method, or of other parameters.
        """
        for group in state_dict.get("param_groups", [{}]):
            method = group.get(METHOD)
            if method != self.rule.name:
                whose = f"the state of {method!r}" if method else "no state of one of cadence's methods"
                raise StateError(
                    f"this is {whose}, and the optimizer is {self.rule.name!r}; load a state that was saved by "
                    f"{self.rule.name!r}, or begin without one"
                )
        try:
            super().load_state_dict(dict(state_dict))
        except (ValueError, KeyError) as refused:
            raise StateError(f"this state does not fit the optimizer's parameters: {refused}") from refused

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("_compiled", None)
        self._ratios, self._slots = [], {}

    def _started(self, x: Tensor, group: Group, rule: Rule) -> dict[str, Tensor]:
        """What is remembered of a parameter, made at its first update."""
        state = self.state[x]
        if "step" not in state:
            # As torch's own: a tensor, so that it is saved with the rest, and on the CPU, where it is read.
            device = x.device if group["capturable"] else None
            state["step"] = torch.zeros((), dtype=torch.float32, device=device)
        for name in rule.state:
            if name not in state:
                state[name] = torch.full_like(
                    x, rule.start(group).get(name, 0.0), memory_format=torch.preserve_format, requires_grad=False
                )
            elif state[name].shape != x.shape:
                raise _misfit(f"state {name!r}", state[name], x)
        return state

    # ---- the step ------------------------------------------------------------------------------------------------

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient.

        Args:
            closure: evaluates the model anew, calls backward and returns the loss.

        Returns:
            What the closure returned, or None.

        Raises:
            OptimizerError: a gradient is sparse; no parameter has been changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        items = self._items()
        shrink = _shrink(items)
        self._ratios = []
        registers = Registers(sum(x.numel() for x, _, _ in items))
        if torch.compiler.is_compiling():
            for item in items:
                self._by_torch(item, shrink, registers)
            return loss
        here: dict[Precision, list[Item]] = {}
        for item in items:
            precision = None if self._compiled is False else _precision(item)
            if precision is None:
                self._by_torch(item, shrink, registers)
            else:
                here.setdefault(precision, []).append(item)
        for precision, those in here.items():
            self._by_kernel(those, precision, shrink, registers)
        return loss

    def trust_ratios(self) -> list[float]:
        """What the step of each tensor was multiplied by in the last update, in an order that does not change.

        Empty before the first update, and under `torch.compile`; 1 where the method knows no such ratio.
        """
        return [float(ratio) for ratio in self._ratios]

    def _items(self) -> list[Item]:
        items: list[Item] = []
        for group in self.param_groups:
            for x in group["params"]:
                g = x.grad
                if g is not None:
                    if g.layout is not torch.strided:
                        raise _sparse(x, self.rule.name)
                    items.append(Item(x, g, group))
        return items

    def _by_torch(self, item: Item, shrink: Tensor | None, registers: Registers) -> None:
        x, g, group = item
        rule = self.rule.of(group)
        state = self._started(x, group, rule)
        state["step"] += 1
        own = {name: state[name] for name in rule.state}
        anywhere = group["capturable"] or torch.compiler.is_compiling() or x.device.type != "cpu"
        if anywhere and (group["capturable"] or torch.compiler.is_compiling()):
            numbers = _numbers_on_device(rule, group, state["step"], shrink)
        else:
            numbers = _numbers(rule, group, shrink) | {"t": state["step"].item()}
        if anywhere or not _alike(x, g, *own.values()):
            ratio = update_whole(rule, x, g, own, numbers)
        else:
            ratio = update_in_pieces(rule, x, g, own, numbers, registers)
        if not torch.compiler.is_compiling():
            self._ratios.append(ratio)

    def _by_kernel(self, items: list[Item], precision: Precision, shrink: Tensor | None, registers: Registers) -> None:
        """Update tensors of one precision in as few calls as there are variants of the rule among the groups."""
        by_group: dict[int, tuple[Rule, dict[str, float]]] = {}
        calls: dict[tuple[Rule, tuple[str, ...]], list[Item]] = {}
        for item in items:
            key = id(item.group)
            if key not in by_group:
                by_group[key] = (self.rule.of(item.group), _numbers(self.rule.of(item.group), item.group, shrink))
            rule, numbers = by_group[key]
            calls.setdefault((rule, tuple(numbers)), []).append(item)
        for (rule, names), those in calls.items():
            try:
                run = kernel(rule, names, precision)
            except CompilerError as fault:
                self._go_without(fault)
                for item in those:
                    self._by_torch(item, shrink, registers)
                continue
            self._ratios += self._call(run, rule, those, by_group)

    def _call(
        self, run: Kernel, rule: Rule, items: list[Item], by_group: Mapping[int, tuple[Rule, dict[str, float]]]
    ) -> list[float]:
        at, rows, copies, names = Addresses(), dict[int, int](), list[Tensor](), rule.state
        for x, g, group in items:
            key = id(group)
            if key not in rows:
                rows[key] = at.row(list(by_group[key][1].values()))
            slot = self._slot(x, group, rule, names)
            if g.numel() != slot.size:
                raise _misfit("gradient", g, x)
            if g.stride() != slot.stride or g.dtype != x.dtype:
                g = torch.empty_like(x).copy_(g)
                copies.append(g)
            at.sizes.append(slot.size)
            at.x.append(slot.address)
            at.g.append(g.data_ptr())
            at.state.extend(slot.addresses)
            at.step.append(slot.counter)
            at.numbers.append(rows[key])
        ratios = run.update(at, torch.get_num_threads())
        # Memory was written behind torch's back; what autograd has kept of these tensors must be known to be stale.
        torch.autograd.graph.increment_version([x for x, _, _ in items])
        return ratios.tolist()

    def _slot(self, x: Tensor, group: Group, rule: Rule, names: tuple[str, ...]) -> _Slot:
        """Where a parameter and its state lie; looked at anew where anything has been put in another place."""
        slot, state = self._slots.get(id(x)), self.state[x]
        if (
            slot is None
            or x.data_ptr() != slot.address
            or x.shape != slot.shape
            or state.get("step") is not slot.step
            or names != slot.names
            or not all(map(operator.is_, map(state.get, names), slot.states))
        ):
            slot = self._slots[id(x)] = _Slot(x, self._started(x, group, rule), names)
        return slot

    # ---- with and without a compiler -----------------------------------------------------------------------------

    def _try_compiler(self) -> None:
        for group in self.param_groups:
            rule = self.rule.of(group)
            shrink = None if group.get("max_grad_norm") is None else torch.ones(())
            kernel(rule, tuple(_numbers(rule, group, shrink)), "float")

    def _go_without(self, fault: CompilerError) -> None:
        if self._compiled:
            raise fault
        self._compiled = False
        _LOG.warning("%s is updated by torch's own operations, which is slower: %s", self.rule.name, fault)


def _signature(rule: type[Rule]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter("params", kind)]
    parameters += [inspect.Parameter(s.name, kind, default=s.default) for s in rule.settings]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters.append(inspect.Parameter("compiled", keyword, default=None))
    parameters.append(inspect.Parameter("capturable", keyword, default=False))
    return inspect.Signature(parameters)


def _bound(method: type[TorchMethod], args: tuple[Any, ...], settings: dict[str, Any]) -> dict[str, Any]:
    """Settings by name, with defaults; a TypeError for what the signature does not have, as for any function."""
    try:
        bound = inspect.signature(method).bind(None, *args, **settings)
    except TypeError as fault:
        raise TypeError(f"{method.__name__}: {fault}") from None
    return {**defaults(method.rule), **{k: v for k, v in bound.arguments.items() if k != "params"}}


def _check_modes(compiled: object, capturable: object) -> None:
    if compiled is not None and not isinstance(compiled, bool):
        raise OptimizerError(f"compiled={compiled!r} must be True, False or None")
    if not isinstance(capturable, bool):
        raise OptimizerError(f"capturable={capturable!r} must be True or False")


def _numbers(rule: Rule, group: Group, shrink: Tensor | None) -> dict[str, float]:
    lr = group["lr"]
    numbers = rule.numbers({**group, "lr": lr.item()} if isinstance(lr, Tensor) else group)
    return numbers if shrink is None else {**numbers, "shrink": _shrunk(group, shrink).item()}


def _numbers_on_device(rule: Rule, group: Group, step: Tensor, shrink: Tensor | None) -> dict[str, Any]:
    """The same, read on no host: what is a tensor stays one."""
    lr = group["lr"]
    here = {**group, "lr": lr.reshape(())} if isinstance(lr, Tensor) else group
    numbers: dict[str, Any] = {**rule.numbers(here), "t": step}
    return numbers if shrink is None else {**numbers, "shrink": _shrunk(group, shrink)}


def _shrink(items: list[Item]) -> Tensor | None:
    """Norm of all gradients as one vector, where a group asks for it."""
    if not items or not any(item.group.get("max_grad_norm") is not None for item in items):
        return None
    home = items[0].g.device
    norms = [_norm(item.g).to(home) for item in items]
    return torch.linalg.vector_norm(torch.stack(norms))


def _shrunk(group: Group, norm: Tensor) -> Tensor:
    """What gradients are divided by."""
    bound = group.get("max_grad_norm")
    return torch.ones_like(norm) if bound is None else (norm / bound).clamp(min=1.0)


def _norm(x: Tensor) -> Tensor:
    """Norm of a tensor; of half-precision tensors in float32, as its digits are the digits of the step."""
    return torch.linalg.vector_norm(x, dtype=torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else None)


def _precision(item: Item) -> Precision | None:
    """The precision of a kernel that can update this tensor where it lies, or None."""
    x, group = item.x, item.group
    if group["capturable"] or x.device.type != "cpu" or type(x) not in (torch.nn.Parameter, Tensor):
        return None
    if not x.is_contiguous() and not _dense(x):
        return None
    return _PRECISIONS.get(x.dtype)


def _alike(x: Tensor, *others: Tensor) -> bool:
    """Whether tensors are dense, and lie in memory in the same order."""
    return all(other.stride() == x.stride() for other in others) and (x.is_contiguous() or _dense(x))


def _dense(x: Tensor) -> bool:
    """Whether the elements of a tensor fill a piece of memory, in whatever order."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(x.stride(), x.shape, strict=True) if size != 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _sparse(x: Tensor, method: str) -> OptimizerError:
    return OptimizerError(
        f"the gradient of a parameter of shape {tuple(x.shape)} is sparse, and {method} works on whole tensors; "
        f"make the embedding with sparse=False, or train it with torch.optim.SparseAdam"
    )


def _misfit(what: str, there: Tensor, x: Tensor) -> OptimizerError:
    return OptimizerError(
        f"the {what} of a parameter of shape {tuple(x.shape)} has shape {tuple(there.shape)}; make the optimizer anew "
        f"where a parameter was given another shape"
    )


def _listed(params: object) -> list[Any]:
    """Parameters or groups as a list with something in it."""
    if isinstance(params, Tensor):
        raise OptimizerError("the parameters are one tensor; write them as a list: [parameter]")
    if isinstance(params, (set, frozenset)) or not isinstance(params, Iterable) or isinstance(params, (str, Mapping)):
        raise OptimizerError(
            f"the parameters are given as {type(params).__name__}; write a list of parameters or of groups, which "  # pyright: ignore[reportUnknownArgumentType]
            f"keeps its order: list(model.parameters())"
        )
    listed: list[Any] = list(params)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if not listed:
        raise OptimizerError("there are no parameters to train; pass list(model.parameters()) of a model that has some")
    return listed


def _check_parameter(x: object, method: str) -> None:
    if isinstance(x, Tensor) and not x.is_floating_point():
        raise OptimizerError(
            f"a parameter of shape {tuple(x.shape)} is {x.dtype}, and {method} works with real numbers; "
            f"pass complex parameters as torch.view_as_real(parameter), and leave whole numbers out"
        )
