"""What all of cadence's optimizers for paddle share."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import paddle
from paddle.optimizer import Optimizer
from paddle.optimizer.lr import LRScheduler

from cadence._errors import CompilerError, OptimizerError
from cadence.optim.kernels.kernel import Kernel, kernel
from cadence.optim.kernels.source import Precision
from cadence.optim.rules.rule import Rule, check
from cadence.optim.stepping import paddle_state as saving
from cadence.optim.stepping.paddle_checks import (
    HALVES,
    Tensor,
    check_clip,
    check_modes,
    check_parameters,
    checked_parameters,
    params_of,
    sparse,
)
from cadence.optim.stepping.paddle_groups import (
    INITIAL_VALUES,
    base_of,
    bound,
    check_rate,
    checked_group,
    checked_rate,
    each,
    multiple_of,
    settings_in,
    signature,
    stored,
)
from cadence.optim.stepping.paddle_memory import Laid, Piece, lay_out, precision_of, threads, update_in_memory
from cadence.optim.stepping.paddle_plain import put
from cadence.optim.stepping.paddle_update import append_update, norm_of, shrunk, update_here

_LOG = logging.getLogger("cadence.optim")

STEP = "step"
"""Name of the state that counts a parameter's updates."""


class Item(NamedTuple):
    """One tensor to update: the parameter, its gradient, and the number of its group."""

    x: Tensor
    g: Tensor
    group: int


class Variant(NamedTuple):
    """What some parameters have in common.

    Attributes:
        rule: with its choice of variants.
        numbers: the rule's.
        settings: that both come from.
        stores: where their states are, by the parameter's name; the last holds the counters.
    """

    rule: Rule
    numbers: dict[str, float]
    settings: dict[str, Any]
    stores: list[dict[str, Tensor]]


class PaddleMethod(Optimizer):
    """A rule as a paddle optimizer.

    On a processor all tensors of one precision are updated by one call of a compiled kernel, with as many threads as
    paddle computes with (the variable ``OMP_NUM_THREADS``, 1 where it is not set). Elsewhere, in static programs, and
    where there is no C compiler, paddle's own operations are used; the numbers agree to rounding.

    Parameters in half precision are updated in single precision and rounded once; with `multi_precision` the unrounded
    ones are kept beside them.

    Args:
        learning_rate: a number, or a scheduler.
        parameters: parameters, or dicts that describe groups of them, whose ``learning_rate`` is a multiple of the
            optimizer's, as in paddle. In a static program: None for all.
        grad_clip: as in paddle: of each group for itself.
        settings: those of the rule, which may also stand in groups.
        multi_precision: True: parameters in half precision have a copy in single precision, which is what is updated.
        compiled: None: by a kernel where that is possible, and a line in the log where there is no compiler; False:
            never; True: an error where there is no compiler.
        name: goes into the names of the states, as in paddle.
    """

    rule: ClassVar[type[Rule]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = signature(cls.rule)  # type: ignore[attr-defined]

    def __init__(
        self,
        learning_rate: Any = None,
        parameters: Any = None,
        grad_clip: Any = None,
        *,
        multi_precision: bool = False,
        compiled: bool | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        rule = self.rule
        self._own_settings = bound(type(self), rule, settings)
        rate = checked_rate(rule, rule.settings[0].default if learning_rate is None else learning_rate)
        check(rule, {"lr": rule.settings[0].default, **self._own_settings})
        check_clip(grad_clip)
        check_modes(multi_precision, compiled)
        self._compiled, self._multi_precision = compiled, multi_precision
        self._base = base_of(rate)
        self._first_multiples: list[float] = []
        self._waiting: list[Item] | None = None
        self._ratios: list[Any] = []
        self._norm: Tensor | None = None
        super().__init__(rate, checked_parameters(parameters, rule), None, grad_clip, name)
        for key, value in stored(self._own_settings).items():
            setattr(self, f"_{key}", value)
        self._default_dict = {**stored(self._own_settings), "grad_clip": grad_clip}
        if compiled:
            self._try_compiler()

    # ---- groups and rate -------------------------------------------------------------------------------------------

    def _add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; paddle's own constructor calls it, too."""
        if "params" not in param_group:
            raise OptimizerError(f"a parameter group needs the key 'params', and has {sorted(param_group)}; add it")
        if self._entries() and not self._first_multiples:
            raise OptimizerError(
                "this optimizer was made with parameters, and not with groups; make it with groups: "
                "parameters=[{'params': [...]}]"
            )
        if not paddle.in_dynamic_mode():
            raise OptimizerError(
                "a static program has no parameter groups; give parameters their rates by ParamAttr(learning_rate=...)"
            )
        group = checked_group(self.rule, param_group, self._own_settings)
        group["params"] = params_of(group["params"])
        check_parameters(group["params"], self.rule.name, each(self._entries()))
        group.setdefault("grad_clip", self._grad_clip)
        multiple = float(group.setdefault("learning_rate", 1.0))
        for x in group["params"]:
            # A tensor that was not made as a parameter has none.
            x.optimize_attr = {**(getattr(x, "optimize_attr", None) or {}), "learning_rate": multiple}
        self._entries().append(group)
        self._first_multiples.append(multiple if multiple > 0 else 1.0)

    def set_lr(self, value: float) -> None:
        """Set the learning rate; of an optimizer without a scheduler.

        Raises:
            OptimizerError: it is negative or not finite.
        """
        check_rate(value)
        super().set_lr(value)

    def set_lr_scheduler(self, scheduler: LRScheduler) -> None:
        """Give the learning rate to a scheduler; its base is the base from now on.

        Raises:
            OptimizerError: it is none, or its base is out of the method's range.
        """
        checked = checked_rate(self.rule, scheduler)
        if not isinstance(checked, LRScheduler):
            raise OptimizerError(f"{scheduler!r} is no scheduler; write set_lr({scheduler!r}) for a number")
        super().set_lr_scheduler(checked)
        self._base = base_of(checked)
        self.__dict__.pop(INITIAL_VALUES, None)

    def _bases(self) -> list[float]:
        """Base rate of each group, which a schedule's rates are multiples of; of the optimizer where it has none."""
        known = self.__dict__.get(INITIAL_VALUES, {})
        firsts = self._first_multiples or [1.0]
        return [known.get((i, "lr"), self._base * first) for i, first in enumerate(firsts)]

    def _variant(self, group: int, multiple: float, rate: float, base: float, shrink: float | None) -> Variant:
        grouped = bool(self._first_multiples)
        place, before = (self._entries()[group], "") if grouped else (vars(self), "_")
        settings = settings_in(self.rule, place, before)
        # Without groups, a parameter's own multiple is one of the base, too; 0 of it would leave nothing to compare.
        settings |= {"lr": rate * multiple, "initial_lr": base if grouped or multiple == 0 else base * multiple}
        rule = self.rule.of(settings)
        numbers = rule.numbers(settings)
        if shrink is not None:
            numbers["shrink"] = shrunk(settings, shrink)
        stores = [self._accumulators[self._accumulator(state)] for state in (*rule.state, STEP)]
        return Variant(rule, numbers, settings, stores)

    # ---- state -----------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """As paddle's: the tensors of each parameter, by name, and ``"LR_Scheduler"``; and which method it is."""
        count = sum(map(len, self._accumulators.values()))
        return {**super().state_dict(), saving.OURS: saving.entry(self.rule.name, self._bases(), count)}

    def set_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a saved state; nothing is changed where it does not fit.

        Raises:
            StateError: it is that of another method, of other parameters, or without that of the scheduler.
        """
        saved = saving.read(
            state_dict,
            self.rule.name,
            sorted({self._accumulator(name) for group in self._all_settings() for name in self._states_of(group)}),
            self._accumulator(STEP),
            list(each(self._entries())),
            self._learning_rate,
            max(len(self._first_multiples), 1),
        )
        if saved.scheduler is not None:
            scheduler: Any = self._learning_rate
            scheduler.set_state_dict(saved.scheduler)
        self._accumulators.clear()
        for (name, parameter), tensor in saved.kept.items():
            self._accumulators[name][parameter] = tensor
        self._master_weights = saved.masters
        remembered = self.__dict__.setdefault(INITIAL_VALUES, {})
        remembered.update({(i, "lr"): base for i, base in enumerate(saved.bases)})

    load_state_dict = set_state_dict
    set_dict = set_state_dict

    def _states_of(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of all that may be remembered of a parameter, but for the counter of updates."""
        return self.rule.of(settings).state

    def _started(self, x: Tensor, variant: Variant) -> list[Tensor]:
        """The states of a parameter, and its counter; made at its first update."""
        name = x.name
        try:
            return [store[name] for store in variant.stores]
        except KeyError:
            first = variant.rule.start(variant.settings)
            states = (*variant.rule.state, STEP)
            return [self._state(x, state, first.get(state, 0.0)) for state in states]

    def _state(self, x: Tensor, state: str, first: float) -> Tensor:
        name = self._accumulator(state)
        store = self._accumulators[name]
        if x.name not in store:
            if state == STEP:
                made = paddle.to_tensor([first], dtype="float32", place=paddle.CPUPlace())
            else:
                made = paddle.full_like(x, first, dtype="float32" if x.dtype in HALVES else x.dtype)
            store[x.name] = saving.named(made, saving.tensor_name(x.name, name))
        return store[x.name]

    def _accumulator(self, state: str) -> str:
        return state if self._name is None else f"{self._name}_{state}"

    def _entries(self) -> list[Any]:
        """The groups; or, where there are none, the parameters."""
        return [] if self._param_groups is None else self._param_groups

    def _all_settings(self) -> list[dict[str, Any]]:
        if not self._first_multiples:
            return [settings_in(self.rule, vars(self), "_")]
        return [settings_in(self.rule, group) for group in self._entries()]

    # ---- the step --------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """Update every parameter that has a gradient.

        Raises:
            OptimizerError: a gradient is sparse, or the rate no number; no parameter has been changed then.
        """
        if paddle.base.dygraph.base.in_to_static_mode():
            raise OptimizerError(
                f"{type(self).__name__}.step() is called within paddle.jit.to_static; call it outside, or make a "
                f"static program with minimize"
            )
        with self._together():
            super().step()

    def minimize(
        self, loss: Tensor, startup_program: Any = None, parameters: Any = None, no_grad_set: Any = None
    ) -> tuple[Any, list[tuple[Tensor, Tensor]]]:
        """As paddle's: with gradients that are there, an update; in a static program, the operations for it."""
        if paddle.in_dynamic_mode() and self._first_multiples and parameters is None:
            self.step()
            return None, [(x, x.grad) for x in each(self._entries()) if x.grad is not None]
        with self._together():
            return super().minimize(loss, startup_program, parameters, no_grad_set)

    def apply_gradients(self, params_grads: list[tuple[Tensor, Tensor]]) -> Any:
        """As paddle's: update by gradients that have been computed beforehand."""
        with self._together():
            return super().apply_gradients(params_grads)

    def trust_ratios(self) -> list[float]:
        """What the step of each tensor was multiplied by in the last update, in an order that does not change.

        Empty before the first update, and in static programs; 1 where the method knows no such ratio.
        """
        return [float(ratio) for ratio in self._ratios]

    def append_regularization_ops(self, parameters_and_grads: Any, regularization: Any = None) -> Any:
        """As paddle's, which takes its time also where nothing is regularized."""
        if regularization is None and all(getattr(x, "regularizer", None) is None for x, _ in parameters_and_grads):
            return parameters_and_grads
        return super().append_regularization_ops(parameters_and_grads, regularization)

    @contextmanager
    def _together(self) -> Generator[None]:
        """Gather what paddle hands over group by group, and update all of it at the end."""
        if self._waiting is not None or not paddle.in_dynamic_mode():
            yield
            return
        self._waiting = []
        try:
            yield
            items = self._waiting
        finally:
            self._waiting = None
        self._update(items)

    def _create_optimization_pass(self, parameters_and_grads: Any, param_group_idx: int = 0) -> Any:
        """Where paddle has clipped and regularized the gradients of a group, and asks for its update."""
        if not paddle.in_dynamic_mode():
            raise OptimizerError("cadence's optimizers need paddle's new programs (FLAGS_enable_pir_api=1)")
        pairs = parameters_and_grads["params"] if isinstance(parameters_and_grads, dict) else parameters_and_grads
        # As paddle: a parameter may have no memory yet, or none any more.
        items = [
            Item(x, g, param_group_idx)
            for x, g in pairs
            if g is not None and not x.stop_gradient and x.data_ptr() is not None
        ]
        if self._waiting is None:
            self._update(items)
        else:
            self._waiting += items
        return []

    def _update(self, items: list[Item]) -> None:
        # The loss scaler calls in any case, and leaves here what it has found; paddle's optimizers answer so.
        found = self._get_auxiliary_var("found_inf")
        if found is not None:
            self._set_auxiliary_var("found_inf", bool(found))
            if found:
                return
        for x, g, _ in items:
            if g.is_selected_rows():
                raise sparse(x, self.rule.name)
        # A scheduler may give a number of numpy's.
        rate = float(self.get_lr())
        check_rate(rate)
        with paddle.no_grad():
            self._update_all(items, rate)

    def _update_all(self, items: list[Item], rate: float) -> None:
        bases, shrink = self._bases(), self._shrink(items)
        variants: dict[tuple[int, float], Variant] = {}
        by_variant: dict[tuple[Precision, int], tuple[Variant, list[Piece]]] = {}
        elsewhere: list[tuple[Piece, Rule]] = []
        halves: list[tuple[Tensor, Tensor]] = []
        for x, g, group in items:
            key = (group, multiple_of(x))
            variant = variants.get(key)
            if variant is None:
                variant = variants[key] = self._variant(*key, rate, bases[group], shrink)
            target = x
            if self._multi_precision and x.dtype in HALVES:
                target = self._master(x)
                halves.append((x, target))
            piece = Piece(target, g, self._started(x, variant), variant.numbers)
            precision = None if self._compiled is False else precision_of(target)
            if precision is None:
                elsewhere.append((piece, variant.rule))
            else:
                by_variant.setdefault((precision, id(variant)), (variant, []))[1].append(piece)
        # Groups that differ in their numbers only are updated by one call.
        here: dict[tuple[Precision, Rule, tuple[str, ...]], list[Piece]] = {}
        for (precision, _), (variant, pieces) in by_variant.items():
            here.setdefault((precision, variant.rule, tuple(variant.numbers)), []).extend(pieces)
        calls: list[tuple[Kernel, Laid]] = []
        for (precision, rule, names), pieces in here.items():
            try:
                calls.append((kernel(rule, names, precision), lay_out(pieces)))
            except CompilerError as fault:
                self._go_without(fault)
                elsewhere = [*((piece, rule) for piece in pieces), *elsewhere]
        self._ratios = [ratio for run, laid in calls for ratio in update_in_memory(run, laid, threads())]
        self._ratios += update_here(elsewhere)
        for x, master in halves:
            put(master, x)

    def _master(self, x: Tensor) -> Tensor:
        """A parameter of half precision in single precision."""
        if x.name not in self._master_weights:
            master = paddle.cast(x, "float32")
            self._master_weights[x.name] = saving.named(master, saving.tensor_name(x.name, "fp32_master"))
        return self._master_weights[x.name]

    def _shrink(self, items: list[Item]) -> float | None:
        """Norm of all gradients as one vector, where a group asks for it."""
        if not items or all(settings.get("max_grad_norm") is None for settings in self._all_settings()):
            return None
        return float(norm_of([item.g for item in items]).item())

    # ---- static programs -------------------------------------------------------------------------------------------

    def _pir_create_optimization_pass(self, parameters_and_grads: Any, param_group_idx: int = 0) -> Any:
        """Where paddle has clipped and regularized gradients, and asks for the operations of an update."""
        grads = [g for _, g in parameters_and_grads if g is not None]
        self._norm = None if self._own_settings.get("max_grad_norm") is None else norm_of(grads)
        try:
            return super()._pir_create_optimization_pass(parameters_and_grads, param_group_idx)
        finally:
            self._norm = None

    def _create_accumulators(self, block: Any, parameters: Sequence[Tensor]) -> None:
        (settings,) = self._all_settings()
        rule = self.rule.of(settings)
        first = rule.start(settings)
        for x in parameters:
            if self._multi_precision and x.dtype in HALVES:
                raise OptimizerError(
                    f"the parameter {x.name} is {x.dtype}, and static programs have no multi_precision; leave it out"
                )
            for name in rule.state:
                dtype = paddle.float32 if x.dtype in HALVES else x.dtype
                self._add_accumulator(name, x, dtype=dtype, fill_value=first.get(name, 0.0))
            self._add_accumulator(STEP, x, dtype=paddle.float32, shape=[1])

    def _append_optimize_op(self, block: Any, param_and_grad: tuple[Tensor, Tensor]) -> None:
        x, g = param_and_grad
        variant = self._variant(0, multiple_of(x), 1.0, self._base, None)
        places = {"x": x, **{name: self._get_accumulator(name, x) for name in variant.rule.state}}
        append_update(
            variant.rule,
            variant.settings,
            self._create_param_lr(param_and_grad),
            places,
            g,
            self._get_accumulator(STEP, x),
            self._norm,
            self._get_auxiliary_var("found_inf"),
        )

    # ---- with and without a compiler -------------------------------------------------------------------------------

    def _try_compiler(self) -> None:
        for settings in self._all_settings():
            settings |= {"lr": 1.0, "initial_lr": 1.0}
            rule = self.rule.of(settings)
            shrink = {} if settings.get("max_grad_norm") is None else {"shrink": 1.0}
            kernel(rule, tuple(rule.numbers(settings) | shrink), "float")

    def _go_without(self, fault: CompilerError) -> None:
        if self._compiled:
            raise fault
        self._compiled = False
        _LOG.warning("%s is updated by paddle's own operations, which is slower: %s", self.rule.name, fault)
