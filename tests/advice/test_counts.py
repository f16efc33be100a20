"""Parameters counted from the model itself, and tables that agree with models that can be made here."""

from __future__ import annotations

import pytest

from cadence._errors import AdviceError
from cadence.advice.counts import count
from cadence.advice.known import look_at
from cadence.advice.known_models import KNOWN, known_model

torch = pytest.importorskip("torch")


class Gpt(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tokens = torch.nn.Embedding(50, 8)
        self.attention = torch.nn.Linear(8, 24)
        self.norm = torch.nn.LayerNorm(8)
        self.head = torch.nn.Linear(8, 50, bias=False)
        self.head.weight = self.tokens.weight


def test_each_kind_is_counted_and_a_tied_weight_once() -> None:
    found = count(Gpt())
    assert (found.embeddings, found.matrices, found.norms, found.biases) == (400, 192, 16, 24)
    assert found.trained == 632 == sum(p.numel() for p in Gpt().parameters())
    assert found.tied == 1
    assert found.attention
    assert found.normalisations == ("LayerNorm",)


def test_a_flattening_layer_is_no_attention_and_batch_statistics_are_seen() -> None:
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten(), torch.nn.Linear(16, 2)
    )
    found = count(net)
    assert not found.attention
    assert found.batch_statistics
    assert (found.convolutions, found.matrices, found.norms, found.biases) == (36, 32, 8, 6)


def test_frozen_parameters_are_counted_apart() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 2))
    net[0].requires_grad_(False)
    found = count(net)
    assert (found.trained, found.frozen, found.total) == (10, 20, 30)


def test_a_model_on_the_meta_device_is_counted_without_memory() -> None:
    with torch.device("meta"):
        huge = torch.nn.Linear(10**6, 10**6)
    assert count(huge).matrices == 10**12


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (torch.nn.ReLU(), "has no parameters"),
        (
            torch.nn.Linear(2, 2).requires_grad_(False),
            "all 2 parameters of the model Linear are frozen; set requires_grad",
        ),
        (torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(0))]), "hold no numbers"),
    ],
)
def test_a_model_with_nothing_to_train_is_refused(model, sentence: str) -> None:
    with pytest.raises(AdviceError, match=sentence):
        count(model)


def test_a_class_in_the_place_of_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="the class Linear; make one"):
        count(torch.nn.Linear)


def test_an_import_path_is_counted_on_the_meta_device() -> None:
    found = look_at("tests.advice.models:wide", {"width": 10**5})
    assert found.counts.matrices == 10**10
    assert found.facts is None


def test_a_model_that_reads_its_own_numbers_is_made_on_a_real_device() -> None:
    assert look_at("tests.advice.models:looks_at_itself").counts.matrices == 4


def test_a_library_that_is_not_there_is_replaced_by_the_table_and_that_is_said() -> None:
    found = look_at("not_installed_anywhere.models:resnet50")
    assert found.counts.trained == 25_557_032
    assert "is not installed here" in found.assumed[0].en


TRANSFORMERS = {
    "bert-base": ("BertForMaskedLM", "BertConfig", {}),
    "distilbert-base": ("DistilBertForMaskedLM", "DistilBertConfig", {}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", {}),
    "vit_b_16": ("ViTForImageClassification", "ViTConfig", {"num_labels": 1000}),
    "resnet18": ("ResNetForImageClassification", "ResNetConfig",
                 {"depths": [2, 2, 2, 2], "layer_type": "basic", "hidden_sizes": [64, 128, 256, 512], "num_labels": 1000}),
    "resnet50": ("ResNetForImageClassification", "ResNetConfig", {"num_labels": 1000}),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_the_table_of_known_models_is_what_they_count(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    model, config, arguments = TRANSFORMERS[name]
    with torch.device("meta"):
        found = count(getattr(transformers, model)(getattr(transformers, config)(**arguments)))
    table = KNOWN[name].counts
    for key in ("matrices", "convolutions", "embeddings", "norms", "biases", "tensors", "depth", "attention", "tied"):
        assert getattr(table, key) == getattr(found, key), key


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("vit_b_16", 86_567_656),
        ("gpt2", 124_439_808),
        ("fasterrcnn_resnet50_fpn", 41_755_286),
        ("retinanet_resnet50_fpn", 34_014_999),
    ],
)
def test_known_models_have_their_published_size(name: str, published: int) -> None:
    assert KNOWN[name].counts.trained == published


@pytest.mark.parametrize(
    "name", ["torchvision.models:vit_b_16", "VIT-B-16", "bert-base-uncased", "google/bert-base-cased"]
)
def test_names_are_known_as_people_write_them(name: str) -> None:
    assert known_model(name) is not None
