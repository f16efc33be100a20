"""What all of cadence's optimizers for torch share."""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from cadence._errors import CompilerError, OptimizerError, StateError
from cadence.optim.kernels.cuda import CudaKernel
from cadence.optim.kernels.kernel import Addresses, Kernel, kernel
from cadence.optim.kernels.source import Precision
from cadence.optim.rules.rule import Rule, check
from cadence.optim.stepping.torch_checks import (
    bound,
    check_modes,
    check_parameter,
    check_shapes,
    listed,
    signature,
    sparse,
)
from cadence.optim.stepping.torch_cuda import kernel_of, update_on_gpu
from cadence.optim.stepping.torch_memory import Group, Item, Slot, counted, misfit, portions, precision
from cadence.optim.stepping.torch_numbers import Variants, norm_of_all, numbers_of, numbers_on_device
from cadence.optim.stepping.torch_plain import update_whole
from cadence.optim.stepping.torch_program import Pieces, Registers
from cadence.optim.stepping.torch_roster import Roster, Variant
from cadence.optim.stepping.torch_together import AT_ONCE, SMALL, update_together

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

METHOD = "method"
"""Key of a group that says whose state it is."""

_LOG = logging.getLogger("cadence.optim")


class TorchMethod(Optimizer):
    """A rule as a torch optimizer.

    On a processor, and on a GPU of Nvidia's, all tensors of one precision are updated together by a compiled kernel.
    Elsewhere, under `torch.compile`, and where there is no compiler, torch's own operations are used; the numbers agree
    to rounding.

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
        cls.__signature__ = signature(cls.rule)  # type: ignore[attr-defined]

    def __init__(
        self, params: Params, *args: Any, compiled: bool | None = None, capturable: bool = False, **settings: Any
    ) -> None:
        given = bound(self.rule, args, settings)
        check(self.rule, given)
        check_modes(compiled, capturable)
        self._compiled = compiled
        # No gradients: what is kept here is kept from update to update.
        self._done: list[tuple[list[Tensor], Sequence[Any] | Tensor]] = []
        self._rosters: list[Roster] = []
        self._owners: list[Group] = []
        self._slots: dict[int, Slot] = {}
        super().__init__(listed(params), {**given, "capturable": capturable, METHOD: self.rule.name})
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
        group = {**param_group, "params": listed(param_group["params"])}
        check(self.rule, {**self.defaults, **group})
        for entry in group["params"]:
            check_parameter(entry[1] if isinstance(entry, tuple) else entry, self.rule.name)
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
        check_shapes(state_dict, self.param_groups)
        try:
            super().load_state_dict(dict(state_dict))
        except (ValueError, KeyError) as refused:
            raise StateError(f"this state does not fit the optimizer's parameters: {refused}") from refused
        for group in self.param_groups:
            for key, default in self.defaults.items():  # settings that the method did not have when it was saved
                group.setdefault(key, default)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("_compiled", None)
        self._done, self._slots, self._rosters, self._owners = [], {}, [], []

    def _started(self, x: Tensor, group: Group, rule: Rule) -> dict[str, Tensor]:
        """What is remembered of a parameter, made at its first update."""
        state = self.state[x]
        if "step" not in state:
            # As torch's own: a tensor, so that it is saved with the rest, and on the CPU, where it is read.
            device = x.device if group["capturable"] else None
            state["step"] = torch.zeros((), dtype=torch.float32, device=device)
        elif not isinstance(state["step"], Tensor) or state["step"].numel() != 1:
            raise OptimizerError(
                f"the state 'step' of a parameter of shape {tuple(x.shape)} is {state['step']!r}; it must be a "
                f"tensor of one element"
            )
        for name in rule.state:
            there = state.get(name)
            if there is None:
                state[name] = torch.full_like(
                    x, rule.start(group).get(name, 0.0), memory_format=torch.preserve_format, requires_grad=False
                )
            elif not isinstance(there, Tensor) or there.shape != x.shape or there.layout is not torch.strided:
                raise misfit(f"state {name!r}", there, x)
            elif there.dtype != x.dtype or there.device != x.device:
                state[name] = there.to(x)  # the model was moved, or made of another precision
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
            OptimizerError: a gradient is sparse, or a gradient or state has another shape than its parameter.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self._rosters and self._again():
            return loss
        items = self._items()
        norm = norm_of_all(items)
        self._done, self._rosters = [], []
        if torch.compiler.is_compiling():
            for item in items:
                self._on_device(item, norm)
            return loss
        by_kernel: dict[tuple[Precision, torch.device], list[Item]] = {}
        by_torch: list[Item] = []
        for item in items:
            kind = None if self._compiled is False else precision(item)
            (by_torch if kind is None else by_kernel.setdefault((kind, item.x.device), [])).append(item)
        place = {id(item.x): i for i, item in enumerate(items)}
        for (kind, device), those in by_kernel.items():
            by_torch += self._by_kernel(those, kind, device, norm, place)
        self._by_torch(by_torch, norm)
        self._owners = [item.group for item in items]
        if sum(len(roster.xs) for roster in self._rosters) < len(items):
            self._rosters = []
        return loss

    def _again(self) -> bool:
        """Update as the last time, if nothing but gradients and numbers are others; says whether that was so."""
        xs, gradients, owners = list[Tensor](), list[Tensor](), list[Group]()
        for group in self.param_groups:
            for x in group["params"]:
                g = x.grad
                if g is not None:
                    xs.append(x)
                    gradients.append(g)
                    owners.append(group)
        if torch.compiler.is_compiling() or len(owners) != len(self._owners):
            return False
        if not all(map(operator.is_, owners, self._owners)):
            return False
        variants, ours = Variants(self.rule, None), list[list[Tensor]]()
        for roster in self._rosters:
            of_groups = [variants.of(group) for group in roster.groups]
            if any((rule, tuple(numbers)) != roster.variant for rule, numbers in of_groups):
                return False
            if any(group["capturable"] for group in roster.groups):
                return False
            ours.append([gradients[i] for i in roster.places])
            if not roster.same([xs[i] for i in roster.places], ours[-1], self.state):
                return False
        self._done = [
            (roster.xs, update_on_gpu(roster, own, {id(group): variants.of(group)[1] for group in roster.groups}))
            for roster, own in zip(self._rosters, ours, strict=True)
        ]
        return True

    def trust_ratios(self) -> list[float]:
        """What the step of each tensor that was updated last was multiplied by, in the order of the groups.

        Empty before the first update, and under `torch.compile`; 1 where the method knows no such ratio.
        """
        ratio_of = {
            id(x): ratio
            for xs, ratios in self._done
            for x, ratio in zip(xs, ratios.tolist() if isinstance(ratios, Tensor) else ratios, strict=True)
        }
        parameters = [x for group in self.param_groups for x in group["params"]]
        return [float(ratio_of[id(x)]) for x in parameters if id(x) in ratio_of]

    def _items(self) -> list[Item]:
        items: list[Item] = []
        for group in self.param_groups:
            for x in group["params"]:
                g = x.grad
                if g is not None:
                    if g.layout is not torch.strided:
                        raise sparse(x, self.rule.name)
                    if g.shape != x.shape:
                        raise misfit("gradient", g, x)
                    items.append(Item(x, g, group))
        return items

    def _on_device(self, item: Item, norm: Tensor | None) -> Any:
        """Update one tensor without reading anything back, and so without waiting for its device."""
        x, g, group = item
        rule = self.rule.of(group)
        state = self._started(x, group, rule)
        state["step"] += 1
        numbers = numbers_on_device(rule, group, state["step"], norm)
        return update_whole(rule, x, g, {name: state[name] for name in rule.state}, numbers)

    def _by_torch(self, items: list[Item], norm: Tensor | None) -> None:
        """Update tensors by torch's own operations."""
        registers = Registers(sum(item.x.numel() for item in items))
        variants, pieces = Variants(self.rule, norm), dict[tuple[int, float, torch.dtype], Pieces]()
        small: dict[tuple[int, float, torch.dtype], list[tuple[Item, Slot]]] = {}
        for item in [item for item in items if item.group["capturable"]]:
            self._done.append(([item.x], [self._on_device(item, norm)]))
        items = [item for item in items if not item.group["capturable"]]
        rules = [variants.of(item.group)[0] for item in items]
        slots = [self._slot(x, group, r, r.state) for (x, _, group), r in zip(items, rules, strict=True)]
        for item, slot, t in zip(items, slots, counted(slots), strict=True):
            x, g, group = item
            key = (id(group), t, x.dtype)
            if slot.dense and slot.size <= SMALL and g.stride() == slot.stride:
                small.setdefault(key, []).append((item, slot))
                continue
            rule, numbers = variants.of(group)
            own = dict(zip(rule.state, slot.states, strict=True))
            if not slot.dense or g.stride() != slot.stride:
                self._done.append(([item.x], [update_whole(rule, x, g, own, {**numbers, "t": t})]))
                continue
            if key not in pieces:
                pieces[key] = Pieces(rule, {**numbers, "t": t}, registers)
            self._done.append(([item.x], [pieces[key].update(x, g, own)]))
        for (_, t, _), those in small.items():
            rule, numbers = variants.of(those[0][0].group)
            for some in portions(those, AT_ONCE):
                columns = {"x": [item.x for item, _ in some], "g": [item.g for item, _ in some]}
                columns |= {name: [slot.states[i] for _, slot in some] for i, name in enumerate(rule.state)}
                scales = update_together(rule, columns, {**numbers, "t": t})
                self._done.append(([item.x for item, _ in some], scales))

    def _by_kernel(
        self, items: list[Item], kind: Precision, device: torch.device, norm: Tensor | None, place: dict[int, int]
    ) -> list[Item]:
        """Update tensors of one precision in as few calls as there are variants of the rule among the groups.

        Returns:
            What could not be updated so, because there is no compiler.
        """
        variants, left = Variants(self.rule, norm), list[Item]()
        calls: dict[tuple[Rule, tuple[str, ...]], list[Item]] = {}
        for item in items:
            rule, numbers = variants.of(item.group)
            calls.setdefault((rule, tuple(numbers)), []).append(item)
        for (rule, names), those in calls.items():
            try:
                run = kernel(rule, names, kind) if device.type == "cpu" else kernel_of(rule, names, kind, device)
            except CompilerError as fault:
                self._go_without(fault)
                left += those
                continue
            if isinstance(run, CudaKernel):
                self._by_roster(run, (rule, names), those, [place[id(item.x)] for item in those], variants)
            else:
                self._done.append(([item.x for item in those], self._call(run, rule, those, variants)))
        return left

    def _by_roster(
        self, run: CudaKernel, variant: Variant, items: list[Item], places: list[int], variants: Variants
    ) -> None:
        """Update tensors of one GPU, and keep where they lie for the next time."""
        xs, groups = [item.x for item in items], [item.group for item in items]
        slots = [self._slot(x, group, variant[0], variant[0].state) for x, _, group in items]
        roster = Roster(run, variant, xs, places, groups, slots, [self.state[x] for x in xs])
        gradients = [
            g if g.stride() == slot.stride and g.dtype == x.dtype else torch.empty_like(x).copy_(g)
            for (x, g, _), slot in zip(items, slots, strict=True)
        ]
        numbers = {id(group): variants.of(group)[1] for group in roster.groups}
        self._done.append((xs, update_on_gpu(roster, gradients, numbers)))
        self._rosters.append(roster)

    def _call(self, run: Kernel, rule: Rule, items: list[Item], variants: Variants) -> list[float]:
        at, rows, copies, names = Addresses(), dict[int, int](), list[Tensor](), rule.state
        for x, g, group in items:
            key = id(group)
            if key not in rows:
                rows[key] = at.row(list(variants.of(group)[1].values()))
            slot = self._slot(x, group, rule, names)
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

    def _slot(self, x: Tensor, group: Group, rule: Rule, names: tuple[str, ...]) -> Slot:
        """Where a parameter and its state lie; looked at anew where anything has been put in another place."""
        slot, state = self._slots.get(id(x)), self.state[x]
        if (
            slot is None
            or x.data_ptr() != slot.address
            or x.shape != slot.shape
            or state.get("step") is not slot.step
            or names != slot.names
            or not all(map(operator.is_, map(state.get, names), slot.states))
            # The same tensors may have got other memory: by `share_memory_`, or through `data`.
            or slot.step.data_ptr() != slot.counter
            or list(map(Tensor.data_ptr, slot.states)) != slot.addresses
        ):
            slot = self._slots[id(x)] = Slot(x, self._started(x, group, rule), names)
        return slot

    # ---- with and without a compiler -----------------------------------------------------------------------------

    def _try_compiler(self) -> None:
        for group in self.param_groups:
            rule = self.rule.of(group)
            norm = None if group.get("max_grad_norm") is None else torch.ones(())
            names = tuple(numbers_of(rule, group, norm))
            for device in {x.device for x in group["params"]}:
                if device.type == "cpu":
                    kernel(rule, names, "float")
                elif device.type == "cuda":
                    kernel_of(rule, names, "float", device)

    def _go_without(self, fault: CompilerError) -> None:
        if self._compiled:
            raise fault
        if self._compiled is None:
            _LOG.warning("%s is updated by torch's own operations, which is slower: %s", self.rule.name, fault)
        self._compiled = False
