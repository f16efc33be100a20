"""LAMB for torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from cadence._errors import OptimizerError


class Lamb(Optimizer):
    """Adam with a step that is in proportion to the size of each layer, for large batches.

    With Adam's bias-corrected moments m and v, for each parameter tensor x:

        r = m / (sqrt(v) + eps) + weight_decay * x
        x = x - lr * |x| / |r| * r        where |x| / |r|, the trust ratio, is 1 if one of the norms is 0

    The defaults are the paper's; every departure from it that is in use has a keyword. All keywords but `params` may
    stand in parameter groups: biases and normalisation layers are often kept out by a group with
    ``adapt=False, weight_decay=0``.

    Args:
        params: parameters, or dicts that describe groups of them. Real numbers, dense gradients.
        lr: learning rate, 0 or more; a float or a tensor with one element, which is read at every step and never
            replaced.
        betas: decay of the two moments, each in [0, 1).
        eps: added to the root of the second moment, 0 or more.
        weight_decay: share of x in the update, 0 or more.
        adapt: False: the trust ratio is 1. What remains is AdamW (`adam` in pytorch-lamb; "adam-like").
        trust_clip: upper bound of the trust ratio, above 0; None: no bound. 1.0 is what timm's ``trust_clip=True``
            does: then no layer steps further than Adam would. Source: Fong et al. 2020, arXiv:2011.13584.
        norm_clip: upper bound of the |x| in the trust ratio, the paper's phi; None: phi is the identity. Some early
            implementations have 10 here, which is not the same as a trust ratio of at most 10.
        bias_correction: False: m and v as they are, as in the paper's third version and in pytorch-lamb.
        grad_averaging: False: gradients enter m with weight 1 instead of 1 - beta1.
        decoupled_decay: True: x is first multiplied by 1 - lr * weight_decay, and r has no decay in it; the decay then
            escapes the trust ratio. With ``adapt=False`` it makes no difference.
        max_grad_norm: gradients of all groups together are first scaled down to this norm if theirs is larger; None:
            they are not. apex and timm do it with 1.0, without saying so in the recipe.
        maximize: True: ascend.

    Raises:
        OptimizerError: a setting out of its range, no parameters, or parameters that are complex.

    Two more habits of apex and timm can be had by groups: they adapt only groups whose weight decay is not 0.

    The state of a parameter has the names and shapes of torch's AdamW (``step``, ``exp_avg``, ``exp_avg_sq``).

    Source:
        You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", arXiv:1904.00962v5,
        algorithm 2. Its lines ``m = m / (1 - beta1^t)`` are read as Adam's, that is, without changing the m that the
        next step goes on from.

    Example:
        >>> x = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
        >>> optimizer = Lamb([x], lr=0.1, weight_decay=0.0)
        >>> (x * torch.tensor([1.0, -1.0])).sum().backward()
        >>> optimizer.step()  # |x| = 5, r = (1, -1): a step of 0.1 * 5 along it
        >>> [round(value, 4) for value in x.tolist()]
        [2.6464, 4.3536]
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        *,
        adapt: bool = True,
        trust_clip: float | None = None,
        norm_clip: float | None = None,
        bias_correction: bool = True,
        grad_averaging: bool = True,
        decoupled_decay: bool = False,
        max_grad_norm: float | None = None,
        maximize: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "adapt": adapt,
            "trust_clip": trust_clip,
            "norm_clip": norm_clip,
            "bias_correction": bias_correction,
            "grad_averaging": grad_averaging,
            "decoupled_decay": decoupled_decay,
            "max_grad_norm": max_grad_norm,
            "maximize": maximize,
        }
        _check_settings(defaults)
        self._scratch = _Scratch()
        super().__init__(_listed(params), defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; keys that it lacks take the values given to the constructor.

        Raises:
            OptimizerError: a setting out of its range, or parameters that cannot be trained.
        """
        if "params" not in param_group:
            raise OptimizerError(f"a parameter group needs the key 'params', and has {sorted(param_group)}; add it")
        group = {**param_group, "params": _listed(param_group["params"])}
        _check_settings({**self.defaults, **group})
        for entry in group["params"]:
            _check_parameter(entry[1] if isinstance(entry, tuple) else entry)
        try:
            super().add_param_group(group)
        except (TypeError, ValueError) as refused:
            raise OptimizerError(f"these parameters cannot be trained: {refused}") from refused

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._scratch = _Scratch()
        # A state that was saved by AdamW lacks the settings that only LAMB has.
        for group in self.param_groups:
            for key, value in self.defaults.items():
                group.setdefault(key, value)

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
        work = [(group, _with_gradient(group["params"])) for group in self.param_groups]
        total = None
        if any(group["max_grad_norm"] is not None for group, _ in work):
            total = _global_norm([gradient for _, pairs in work for _, gradient in pairs])
        for group, pairs in work:
            shrink = None
            if total is not None and group["max_grad_norm"] is not None:
                shrink = (total / group["max_grad_norm"]).clamp_(min=1.0)
            for parameter, gradient in pairs:
                self._update(parameter, gradient, group, shrink)
        return loss

    def _update(self, x: Tensor, gradient: Tensor, group: dict[str, Any], shrink: Tensor | None) -> None:
        state = self.state[x]
        if not state:
            # As torch's own: a tensor, so that it is saved with the rest, and on the CPU, where it is read.
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"] = torch.zeros_like(x, memory_format=torch.preserve_format)
            state["exp_avg_sq"] = torch.zeros_like(x, memory_format=torch.preserve_format)
        state["step"] += 1
        m, v, t = state["exp_avg"], state["exp_avg_sq"], state["step"].item()
        beta1, beta2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        first, second = self._scratch.pair(x)

        # 1. The gradient as it counts, in memory of ours: the caller's is left as it is.
        if group["maximize"]:
            gradient = torch.neg(gradient, out=first)
        if shrink is not None:
            gradient = torch.div(gradient, shrink.to(gradient.device), out=first)

        # 2. Moments.
        if group["grad_averaging"]:
            m.lerp_(gradient, 1 - beta1)
        else:
            m.mul_(beta1).add_(gradient)
        v.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)

        # 3. Adam's direction.
        below, r = torch.sqrt(v, out=first), second
        if group["bias_correction"]:
            below.div_(math.sqrt(1 - beta2**t))
        torch.div(m, below.add_(group["eps"]), out=r)
        if group["bias_correction"]:
            r.div_(1 - beta1**t)

        # 4. Decay.
        if decay != 0:
            if group["decoupled_decay"]:
                x.mul_(1 - lr * decay)
            else:
                r.add_(x, alpha=decay)

        # 5. The step, in proportion to the layer.
        if group["adapt"]:
            r.mul_(_trust_ratio(x, r, group["norm_clip"], group["trust_clip"]))
        if isinstance(lr, Tensor):
            x.sub_(r.mul_(lr.reshape(())))
        else:
            x.add_(r, alpha=-lr)


def _trust_ratio(x: Tensor, r: Tensor, norm_clip: float | None, trust_clip: float | None) -> Tensor:
    """phi(|x|) / |r|, a scalar that stays on its device: reading it would make the host wait for every tensor."""
    size, length = _norm(x), _norm(r)
    void = (size == 0).logical_or_(length == 0)
    if norm_clip is not None:
        size.clamp_(max=norm_clip)
    ratio = size.div_(length).masked_fill_(void, 1.0)
    return ratio if trust_clip is None else ratio.clamp_(max=trust_clip)


def _norm(x: Tensor) -> Tensor:
    """Norm of a tensor, a scalar; of half-precision tensors in float32, as its digits are the digits of the step."""
    return torch.linalg.vector_norm(x, dtype=torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else None)


def _global_norm(gradients: list[Tensor]) -> Tensor | None:
    """Norm of all gradients as one vector; None without gradients."""
    if not gradients:
        return None
    norms = [_norm(gradient).to(gradients[0].device) for gradient in gradients]
    return torch.linalg.vector_norm(torch.stack(norms))


def _with_gradient(parameters: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    pairs = [(x, x.grad) for x in parameters if x.grad is not None]
    for x, gradient in pairs:
        if gradient.is_sparse:
            raise OptimizerError(
                f"the gradient of a parameter of shape {tuple(x.shape)} is sparse, and LAMB needs the norm of "
                f"the whole layer; make the embedding with sparse=False, or train it with torch.optim.SparseAdam"
            )
    return pairs


class _Scratch:
    """Two pieces of memory that are used again for every tensor, so that a step allocates next to nothing."""

    def __init__(self) -> None:
        self._flat: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}

    def pair(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Two uninitialised tensors of the shape and layout of this one; valid until the next call."""
        if not like.is_contiguous():
            return torch.empty_like(like), torch.empty_like(like)  # another layout in memory would be slow to combine
        key, size = (like.device, like.dtype), like.numel()
        if key not in self._flat or self._flat[key][0].numel() < size:
            self._flat[key] = (like.new_empty(size), like.new_empty(size))
        first, second = self._flat[key]
        return first[:size].view(like.shape), second[:size].view(like.shape)


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


def _check_parameter(x: object) -> None:
    if isinstance(x, Tensor) and not x.is_floating_point():
        raise OptimizerError(
            f"a parameter of shape {tuple(x.shape)} is {x.dtype}, and LAMB works with real numbers; "
            f"pass complex parameters as torch.view_as_real(parameter), and leave whole numbers out"
        )


def _check_settings(group: Mapping[str, Any]) -> None:
    """Raise OptimizerError for a setting that is out of its range."""
    lr = group["lr"]
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise OptimizerError(f"lr is a tensor of shape {tuple(lr.shape)}; give one number, or a tensor of one element")
    _check_number("lr", lr.item() if isinstance(lr, Tensor) else lr)
    betas = group["betas"]
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:  # pyright: ignore[reportUnknownArgumentType]
        raise OptimizerError(f"betas={betas!r} must be two numbers; write betas=(0.9, 0.999)")
    for beta in betas:  # pyright: ignore[reportUnknownVariableType]
        if not _is_number(beta) or not 0 <= beta < 1:
            raise OptimizerError(f"betas={betas!r}: each must lie in [0, 1); write betas=(0.9, 0.999)")
    _check_number("eps", group["eps"])
    _check_number("weight_decay", group["weight_decay"])
    for name in ("trust_clip", "norm_clip", "max_grad_norm"):
        value = group[name]
        if value is not None and (not _is_number(value) or not 0 < value < math.inf):
            raise OptimizerError(f"{name}={value!r} must be a number above 0; write None for no bound")
    for name in ("adapt", "bias_correction", "grad_averaging", "decoupled_decay", "maximize"):
        if not isinstance(group[name], bool):
            raise OptimizerError(f"{name}={group[name]!r} must be True or False")


def _check_number(name: str, value: object) -> None:
    if not _is_number(value) or not 0 <= value < math.inf:  # pyright: ignore[reportOperatorIssue]
        raise OptimizerError(f"{name}={value!r} must be a finite number of at least 0")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
