"""What a name means: which of several sources it is of, and what is said where none has it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
import subprocess
import sys
import types
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from cadence._errors import MissingExtraError, OptimizerError  # noqa: E402
from cadence.optim import habits, known, sources  # noqa: E402
from cadence.optim.find import find  # noqa: E402
from cadence.optim.for_torch.lamb import Lamb  # noqa: E402
from cadence.optim.make import optimizer, optimizer_class, optimizer_names  # noqa: E402


def model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(3, 2)


# ---- the lists are those of what is installed -----------------------------------------------------------------------


def test_the_list_of_torch_is_what_torch_has() -> None:
    classes = [c for c in vars(torch.optim).values() if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)]
    there = {c.__name__.lower() for c in classes} - {"optimizer"}
    # An older torch lacks some (muon came with 2.9, adafactor with 2.5).
    assert there <= known.TORCH
    assert known.TORCH - there <= {"muon", "adafactor"}


def test_the_list_of_pytorch_optimizer_is_its_own() -> None:
    library = pytest.importorskip("pytorch_optimizer")
    if importlib.metadata.version("pytorch_optimizer") != known.PYTORCH_OPTIMIZER_VERSION:
        pytest.skip("the list is of another release")
    assert set(library.get_supported_optimizers()) == known.PYTORCH_OPTIMIZER | known.NOT_MADE.keys()


def test_every_optimizer_of_schedulefree_has_a_name() -> None:
    library = pytest.importorskip("schedulefree")
    there = {name for name, c in vars(library).items() if isinstance(c, type) and issubclass(c, torch.optim.Optimizer)}
    assert set(known.SCHEDULEFREE.values()) == there


def test_names_are_sorted_and_every_one_is_found() -> None:
    names = optimizer_names()
    assert names == sorted(names)
    assert {"adamw", "lamb", "lion", "prodigy", "adan", "schedule_free_adamw"} <= set(names)
    pytest.importorskip("schedulefree")
    pytest.importorskip("pytorch_optimizer")
    for name in names:
        make = optimizer_class(name)
        assert isinstance(make, type)
        assert issubclass(make, torch.optim.Optimizer)


# ---- who has a name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("lamb", "cadence"),
        ("adamw", "torch"),
        ("muon", "torch"),
        ("adafactor", "torch"),
        ("schedule_free_adamw", "schedulefree"),
        ("schedulefreeadamw", "pytorch_optimizer"),
        ("lion", "pytorch_optimizer"),
        ("pytorch_optimizer:lamb", "pytorch_optimizer"),
        ("pytorch_optimizer:muon", "pytorch_optimizer"),
        ("torch:sgd", "torch"),
        ("cadence:lamb", "cadence"),
        ("schedulefree:AdamWScheduleFree", "import"),
        ("torch.optim:AdamW", "import"),
    ],
)
def test_a_name_is_of_the_first_source_that_has_it(name: str, source: str) -> None:
    if source in ("schedulefree", "pytorch_optimizer") or name.startswith("schedulefree"):
        pytest.importorskip("schedulefree")
        pytest.importorskip("pytorch_optimizer")
    method = find(name, "torch")
    assert method.source == source
    assert source == "import" or method.make.__module__.startswith(source.replace("schedulefree", "schedulefree."))


def test_a_class_of_torch_does_not_take_the_name_of_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "of_torch", lambda: {"lamb": torch.optim.SGD})
    sources.names_of.cache_clear()
    assert optimizer_class("lamb") is Lamb
    assert optimizer_class("torch:lamb") is torch.optim.SGD
    sources.names_of.cache_clear()


class AdamW(torch.optim.AdamW):
    """As cadence's own: with a setting that torch's does not have."""

    def __init__(self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), *, independent_decay: bool = False):
        super().__init__(params, lr=lr, betas=betas)
        for group in self.param_groups:
            group.setdefault("independent_decay", independent_decay)


@pytest.fixture
def own_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("cadence.optim.for_torch.adamw")
    module.AdamW = AdamW
    monkeypatch.setitem(sys.modules, "cadence.optim.for_torch.adamw", module)
    monkeypatch.setattr(sources, "own", lambda framework: {"adamw": "AdamW"} if framework == "torch" else {})
    sources.names_of.cache_clear()
    yield
    sources.names_of.cache_clear()


@pytest.mark.usefixtures("own_adamw")
def test_our_adamw_is_taken_where_an_argument_asks_for_what_only_it_can_do() -> None:
    assert type(optimizer("adamw", model(), lr=0.1, betas=(0.8, 0.9))) is torch.optim.AdamW
    assert type(optimizer("adamw", model(), lr=0.1, independent_decay=True)) is AdamW
    assert type(optimizer("cadence:adamw", model(), lr=0.1)) is AdamW
    net = model()
    groups = [{"params": [net.weight], "independent_decay": True}, {"params": [net.bias]}]
    assert type(optimizer("adamw", groups, lr=0.1)) is AdamW
    with pytest.raises(OptimizerError, match="no argument 'fused'"):
        optimizer("adamw", model(), lr=0.1, independent_decay=True, fused=True)


class RMSprop(torch.optim.RMSprop):
    """As cadence's own: with fewer arguments than torch's, and one more."""

    def __init__(self, params: Any, lr: float = 0.01, alpha: float = 0.99, *, compiled: bool | None = None):
        super().__init__(params, lr=lr, alpha=alpha)


def test_where_ours_is_the_faster_one_it_is_taken_unless_only_the_other_has_an_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = types.ModuleType("cadence.optim.for_torch.rmsprop")
    module.RMSprop = RMSprop
    monkeypatch.setitem(sys.modules, "cadence.optim.for_torch.rmsprop", module)
    monkeypatch.setattr(sources, "own", lambda framework: {"rmsprop": "RMSprop"})
    sources.names_of.cache_clear()
    assert type(optimizer("rmsprop", model(), lr=0.1, alpha=0.9)) is RMSprop
    assert type(optimizer("rmsprop", model(), lr=0.1, compiled=False)) is RMSprop
    assert type(optimizer("rmsprop", model(), lr=0.1, foreach=False)) is torch.optim.RMSprop
    assert type(optimizer("torch:rmsprop", model(), lr=0.1)) is torch.optim.RMSprop
    sources.names_of.cache_clear()


def test_ours_are_files_with_a_class_of_their_name() -> None:
    assert sources.own("torch")["lamb"] == "Lamb"
    for name, cls in sources.own("torch").items():
        assert cls.lower() == name


# ---- what nobody has -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lyon", "no optimizer called 'lyon'; did you mean 'lion'"),
        ("prodigi", "did you mean 'prodigy'"),
        ("Lion", "did you mean 'lion'"),
        ("momentum", "write 'sgd' with momentum=0.9"),
        ("Sophia", "write 'sophiah'"),
        ("schedule_free_adam", "or 'schedule_free_adamw'"),
        ("pytorch_optimizer:lyon", "pytorch_optimizer has no optimizer called 'lyon'; did you mean 'lion'"),
        ("torch:lion", "torch has no optimizer called 'lion'"),
        ("paddle:adam", "is of paddle, and the parameters are of torch; sources for torch are cadence, torch, "),
        ("lomo", "updates within the backward pass"),
        ("pytorch_optimizer:alig", "cannot be made by name"),
    ],
)
def test_a_name_that_nobody_has_is_one_sentence(name: str, words: str) -> None:
    with pytest.raises(OptimizerError) as caught:
        optimizer(name, model(), lr=0.1)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_misspelt_name_does_not_cost_the_import_of_a_library() -> None:
    code = (
        "import sys, torch, cadence as cd\n"
        "try: cd.optimizer('lyon', [torch.ones(2)], lr=0.1)\n"
        "except ValueError as e: print(e)\n"
        "cd.optimizer('adamw', [torch.ones(2)], lr=0.1)\n"
        "print([m for m in ('pytorch_optimizer', 'schedulefree', 'paddle') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if importlib.util.find_spec("pytorch_optimizer"):
        installed = importlib.metadata.version("pytorch_optimizer")
        if installed != known.PYTORCH_OPTIMIZER_VERSION:
            pytest.skip("of another release it is the library that is asked")
    assert done.stdout.splitlines() == ["there is no optimizer called 'lyon'; did you mean 'lion'?", "[]"]


def test_a_library_that_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    monkeypatch.setitem(sys.modules, "schedulefree", None)
    with pytest.raises(MissingExtraError, match="needs pytorch_optimizer"):
        optimizer("lion", model(), lr=0.1)
    with pytest.raises(MissingExtraError, match="needs schedulefree"):
        optimizer("schedule_free_sgd", model(), lr=0.1)


# ---- methods of the libraries ----------------------------------------------------------------------------------------

RATES = {"lion": 1e-2, "prodigy": 1.0, "adan": 0.02, "ademamix": 0.02, "soap": 0.05, "adammini": 0.02}


@pytest.mark.parametrize("name", [*RATES, "schedule_free_adamw", "schedule_free_sgd", "pytorch_optimizer:lamb"])
def test_methods_of_the_libraries_learn(name: str) -> None:
    pytest.importorskip("schedulefree")
    pytest.importorskip("pytorch_optimizer")
    net, x = model(), torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    made, losses = optimizer(name, net, lr=RATES.get(name, 0.3)), []
    for _ in range(100):
        made.zero_grad()
        loss = (net(x) - x[:, :2]).square().mean()
        loss.backward()
        made.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_an_argument_that_a_library_would_swallow_is_refused() -> None:
    library = pytest.importorskip("pytorch_optimizer")
    # It takes any keyword, and looks at none that it does not name.
    library.Lion(model().parameters(), lr=0.1, weight_decai=0.1)
    with pytest.raises(OptimizerError, match="no argument 'weight_decai'; did you mean 'weight_decay'"):
        optimizer("lion", model(), lr=0.1, weight_decai=0.1)
    with pytest.raises(OptimizerError, match="no argument 'weight_decai'"):
        optimizer("pytorch_optimizer:Lion", model(), lr=0.1, weight_decai=0.1)
    with pytest.raises(OptimizerError, match="'ranger21' needs num_iterations"):
        optimizer("ranger21", model(), lr=0.1)


def test_a_method_that_wants_the_model_says_so() -> None:
    pytest.importorskip("pytorch_optimizer")
    with pytest.raises(OptimizerError, match="give it the model"):
        optimizer("adammini", list(model().parameters()), lr=0.1)


def test_muon_takes_matrices_and_names_what_is_none() -> None:
    net = model()
    with pytest.raises(OptimizerError, match=r"takes only matrices, and 'bias' has the shape \(2,\)"):
        optimizer("muon", net, lr=0.1)
    assert len(optimizer("muon", [net.weight], lr=0.1).param_groups[0]["params"]) == 1
    pytest.importorskip("pytorch_optimizer")
    with pytest.raises(OptimizerError, match="'use_muon': True"):
        optimizer("pytorch_optimizer:muon", net, lr=0.1)
    groups = [{"params": [net.weight], "use_muon": True}, {"params": [net.bias], "use_muon": False}]
    assert len(optimizer("pytorch_optimizer:muon", groups, lr=0.1).param_groups) == 2


@pytest.mark.parametrize(
    ("name", "arguments"), [("schedule_free_sgd", {"momentum": 0.0}), ("schedule_free_adamw", {"betas": [0.0, 0.9]})]
)
def test_a_schedule_free_method_needs_a_share_for_its_average(name: str, arguments: dict[str, Any]) -> None:
    pytest.importorskip("schedulefree")
    with pytest.raises(OptimizerError, match="is 0, and its average cannot be told"):
        optimizer(name, model(), lr=0.1, **arguments)


# ---- parameters that a method cannot train ---------------------------------------------------------------------------


def test_sparse_gradients_are_refused_when_the_model_tells() -> None:
    net = torch.nn.Sequential(torch.nn.Embedding(5, 3, sparse=True), torch.nn.Linear(3, 2))
    for name in ("adamw", "lamb", "radam"):
        with pytest.raises(OptimizerError, match=r"the gradients of '0\.weight' are sparse"):
            optimizer(name, net, lr=0.1)
    optimizer("sgd", net, lr=0.1)
    with pytest.raises(OptimizerError, match="takes only sparse gradients"):
        optimizer("sparseadam", model(), lr=0.1)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("key", sorted(habits.SPARSE))
def test_those_that_take_sparse_gradients_do(key: str) -> None:
    pytest.importorskip(key.partition(":")[0])
    layer = torch.nn.Embedding(5, 3, sparse=True)
    made, before = optimizer(key, layer, lr=0.1), layer.weight.detach().clone()
    for _ in range(2):
        made.zero_grad()
        layer(torch.tensor([1, 2])).sum().backward()
        made.step()
    assert (layer.weight != before).any(dim=1).tolist()[1:3] == [True, True]


def test_complex_parameters_are_refused_by_those_that_would_at_their_first_step() -> None:
    p = [torch.nn.Parameter(torch.ones(2, 2, dtype=torch.complex64))]
    for name in ("adafactor", "muon", "lamb"):
        with pytest.raises(OptimizerError, match="complex64, and"):
            optimizer(name, p, lr=0.1)
    optimizer("adamw", p, lr=0.1)
    pytest.importorskip("pytorch_optimizer")
    with pytest.raises(OptimizerError, match="works with real numbers"):
        optimizer("prodigy", p, lr=0.1)
    optimizer("lion", p, lr=0.1)


# ---- what is certain about single methods ----------------------------------------------------------------------------


def test_the_methods_that_find_their_rate_have_1_as_default() -> None:
    library = pytest.importorskip("pytorch_optimizer")
    for name in habits.OWN_RATE:
        assert inspect.signature(library.load_optimizer(name)).parameters["lr"].default == 1.0


def test_the_methods_that_average_are_switched() -> None:
    pytest.importorskip("schedulefree")
    pytest.importorskip("pytorch_optimizer")
    for name in optimizer_names():
        switched = {"train", "eval"} <= set(dir(optimizer_class(name)))
        # SPlus is switched as well, but follows a schedule as others do.
        assert habits.averages(name) is (switched and name != "splus") or name.endswith("_closure")
