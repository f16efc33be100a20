"""Where a parameter stands in a model: trees as the well-known models have them, and the models themselves."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from cadence.optim.groups.depth import Depths, depths
from trees import Node, conv, embedding, idle, linear, module, norm, row, tree


def block() -> Node:
    """A transformer's block."""
    mlp = module("Mlp", fc1=linear(), act=idle(), fc2=linear())
    return module("Block", norm1=norm(), attn=module("Attention", qkv=linear(), proj=linear()), norm2=norm(), mlp=mlp)


def residual() -> Node:
    """ResNet's block, with a shortcut that is a container itself."""
    shortcut = row(conv(), norm("BatchNorm2d"))
    return module("BasicBlock", conv1=conv(), bn1=norm("BatchNorm2d"), conv2=conv(), bn2=norm(), downsample=shortcut)


def vit() -> Node:
    patches = module("PatchEmbed", proj=conv())
    return module("ViT", cls_token=(1, 1, 4), pos_embed=(1, 5, 4), patch_embed=patches, blocks=row(*[block()] * 3),
                  norm=norm(), head=linear())  # fmt: skip


def bert() -> Node:
    words = module("Embeddings", word=embedding(), place=embedding(), LayerNorm=norm())
    inside = module("Bert", embeddings=words, encoder=module("Encoder", layer=row(block(), block(), kind="ModuleList")),
                    pooler=module("Pooler", dense=linear()))  # fmt: skip
    return module("BertForClassification", bert=inside, dropout=idle(), classifier=linear())


def resnet() -> Node:
    stages = {f"layer{i}": row(residual(), residual()) for i in (1, 2)}
    return module("ResNet", conv1=conv(), bn1=norm("BatchNorm2d"), **stages, fc=linear())


def swin() -> Node:
    first = module("Stage", blocks=row(block(), block(), kind="ModuleList"))
    second = module("Stage", downsample=module("Merge", norm=norm(), reduction=linear()), blocks=row(block(), block()))
    return module("Swin", patch_embed=module("PatchEmbed", proj=conv()), layers=row(first, second), norm=norm(),
                  head=linear())  # fmt: skip


def convnext() -> Node:
    """torchvision's: stages and what stands between them are all members of one container."""
    inside = module("CNBlock", layer_scale=(4, 1, 1), block=row(conv(), norm(), linear(), idle(), linear()))
    stem, between = row(conv(), norm(), kind="ConvNormActivation"), row(norm(), conv())
    return module(
        "ConvNeXt", features=row(stem, row(inside, inside), between, row(inside)), classifier=row(norm(), linear())
    )


def t5() -> Node:
    def layer(*kinds: str) -> Node:
        sublayers = [module(kind, inner=module("Inner", q=linear()), layer_norm=norm("T5LayerNorm")) for kind in kinds]
        return module("T5Block", layer=row(*sublayers, kind="ModuleList"))

    encoder = module("Stack", block=row(*[layer("SelfAttention", "FeedForward")] * 2), final_layer_norm=norm())
    decoder = module("Stack", block=row(*[layer("SelfAttention", "CrossAttention", "FeedForward")] * 2), norm=norm())
    return module("T5", shared=embedding(), encoder=encoder, decoder=decoder, lm_head=linear())


def experts() -> Node:
    """A block whose feed-forward part has experts side by side in a container."""
    each = module("Expert", up=linear(), down=linear())
    sparse = module("Sparse", gate=linear(), experts=row(each, each, each, kind="ModuleList"))
    one = module("Block", attn=module("Attention", qkv=linear()), norm=norm("RMSNorm"), sparse=sparse)
    return module("Mixtral", embed_tokens=embedding(), layers=row(one, one), norm=norm("RMSNorm"), lm_head=linear())


def mobilenet() -> Node:
    def step() -> Node:
        return row(conv(), norm("BatchNorm2d"), idle(), kind="ConvNormActivation")

    inverted = module("InvertedResidual", conv=row(step(), step(), conv(), norm("BatchNorm2d")))
    return module("MobileNet", features=row(step(), inverted, inverted, step()), classifier=row(idle(), linear()))


def vgg() -> Node:
    features = row(conv(), norm("BatchNorm2d"), idle(), conv(), norm("BatchNorm2d"), idle())
    return module("VGG", features=features, classifier=row(linear(), idle(), linear()))


def plain() -> Node:
    return module("Net", conv1=conv(), bn1=norm("BatchNorm2d"), conv2=conv(), fc=linear())


CASES: dict[str, tuple[Any, dict[str, int], int]] = {
    # model -> the depth of some parameters, and the last depth
    "vit": (vit, {"cls_token": 0, "pos_embed": 0, "patch_embed.proj.weight": 0, "blocks.0.norm1.bias": 1,
                  "blocks.2.mlp.fc2.weight": 3, "norm.weight": 4, "head.bias": 4}, 4),
    "bert": (bert, {"bert.embeddings.LayerNorm.weight": 0, "bert.encoder.layer.1.attn.qkv.bias": 2,
                    "bert.pooler.dense.weight": 3, "classifier.weight": 3}, 3),
    "resnet": (resnet, {"conv1.weight": 0, "bn1.bias": 0, "layer1.0.conv1.weight": 1, "layer1.1.downsample.1.bias": 2,
                        "layer2.0.downsample.0.weight": 3, "layer2.1.bn2.weight": 4, "fc.weight": 5}, 5),
    "swin": (swin, {"patch_embed.proj.weight": 0, "layers.0.blocks.1.norm1.bias": 2,
                    "layers.1.downsample.reduction.weight": 3, "layers.1.blocks.0.norm1.bias": 3,
                    "layers.1.blocks.1.norm1.bias": 4, "norm.weight": 5}, 5),
    # The stem is a member of the container: the first block.
    "convnext": (convnext, {"features.0.1.bias": 0, "features.1.0.layer_scale": 1, "features.1.1.block.4.weight": 2,
                            "features.2.1.weight": 3, "features.3.0.block.0.weight": 4, "classifier.0.bias": 5}, 5),
    "t5": (t5, {"shared.weight": 0, "encoder.block.0.layer.1.inner.q.weight": 1, "encoder.block.1.layer.0.layer_norm.bias": 2,
                "encoder.final_layer_norm.weight": 2, "decoder.block.0.layer.2.inner.q.bias": 3,
                "decoder.norm.weight": 5, "lm_head.weight": 5}, 5),
    "experts": (experts, {"embed_tokens.weight": 0, "layers.0.sparse.experts.2.down.weight": 1, "layers.0.norm.bias": 1,
                          "layers.1.sparse.experts.0.up.weight": 2, "lm_head.weight": 3}, 3),
    "mobilenet": (mobilenet, {"features.0.0.weight": 0, "features.1.conv.0.0.weight": 1, "features.1.conv.3.bias": 1,
                              "features.2.conv.2.weight": 2, "features.3.1.bias": 3, "classifier.1.weight": 3}, 3),
    "one container for all": (
        lambda: row(conv(), norm(), residual(), conv(), residual(), norm(), linear(), linear()),
        {"0.weight": 0, "1.bias": 0, "2.conv1.weight": 1, "3.weight": 2, "4.bn2.bias": 3, "5.weight": 4, "6.bias": 4, "7.bias": 4}, 4,
    ),
    "vgg": (vgg, {"features.0.weight": 0, "features.1.bias": 0, "features.3.weight": 1, "features.4.weight": 1,
                  "classifier.0.weight": 2, "classifier.2.bias": 3}, 3),
    "no containers": (plain, {"conv1.weight": 0, "bn1.weight": 0, "conv2.weight": 1, "fc.bias": 2}, 2),
    "wrapped": (lambda: module("DataParallel", module=vit()), {"module.cls_token": 0, "module.blocks.1.norm2.bias": 2,
                                                               "module.head.weight": 4}, 4),
    "wrapped, no containers": (lambda: module("Wrapper", inner=plain()), {"inner.conv1.weight": 0, "inner.fc.weight": 2}, 2),
    "perceptron": (lambda: row(linear(), idle(), linear(), idle(), linear()), {"0.weight": 0, "2.bias": 1, "4.bias": 2}, 2),
    "prelu": (lambda: row(conv(), Node("PReLU", shapes={"weight": (1,)}), conv()), {"0.weight": 0, "1.weight": 0, "2.weight": 1}, 1),
    "one layer": (linear, {"weight": 0, "bias": 0}, 0),
    "norms only": (lambda: row(norm(), norm()), {"0.weight": 0, "1.bias": 0}, 0),
    "body only": (lambda: row(block(), block()), {"0.norm1.weight": 0, "1.norm1.weight": 1}, 1),
    "encoder and decoder": (
        lambda: module("Transformer", encoder=module("Encoder", layers=row(block(), block()), norm=norm()),
                       decoder=module("Decoder", layers=row(block(), block()), norm=norm())),
        {"encoder.layers.1.norm1.bias": 1, "encoder.norm.bias": 1, "decoder.layers.0.norm1.bias": 2, "decoder.norm.bias": 4}, 4,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_depths_of_the_well_known_trees(name: str) -> None:
    make, expected, last = CASES[name]
    found = depths(tree(make()))
    assert {key: found.of[key] for key in expected} == expected
    assert found.last == last == max(found.of.values())


@pytest.mark.parametrize("name", CASES)
def test_every_parameter_has_a_depth_and_every_depth_a_parameter(name: str) -> None:
    model = tree(CASES[name][0]())
    found = depths(model)
    assert found.of.keys() == {p.name for p in model.parameters}
    assert set(found.of.values()) == set(range(found.last + 1))


@pytest.mark.parametrize(
    ("name", "stem", "head"),
    [
        ("vit", {"cls_token", "pos_embed", "patch_embed.proj.weight"}, {"norm.weight", "norm.bias", "head.weight", "head.bias"}),
        ("vgg", {"features.0.weight", "features.1.weight", "features.1.bias"}, {"classifier.2.weight", "classifier.2.bias"}),
        ("no containers", {"conv1.weight", "bn1.weight", "bn1.bias"}, {"fc.weight", "fc.bias"}),
        ("one container for all", {"0.weight", "1.weight", "1.bias"},
         {f"{i}.{name}" for i in (5, 6, 7) for name in ("weight", "bias")}),
        ("convnext", {"features.0.0.weight", "features.0.1.weight", "features.0.1.bias"},
         {f"classifier.{i}.{name}" for i in (0, 1) for name in ("weight", "bias")}),
        ("body only", set(), set()),
        ("one layer", set(), set()),
    ],
)  # fmt: skip
def test_what_stands_before_the_blocks_and_behind_them(name: str, stem: set[str], head: set[str]) -> None:
    found = depths(tree(CASES[name][0]()))
    assert (found.stem, found.head) == (stem, head)


# ---- the models themselves -------------------------------------------------------------------------------------------

SMALL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}


def made(model: str, config: str, **keys: Any) -> Depths:
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers")
        from cadence.optim.groups.torch_tree import torch_tree

        return depths(torch_tree(getattr(transformers, model)(getattr(transformers, config)(**keys))))


def by_number(found: Depths, before: str, blocks: int) -> None:
    """Blocks are numbered from 1, the rest is 0 before them and the last depth behind them: BEiT's assignment."""
    for name, depth in found.of.items():
        if name.startswith(before):
            assert depth == int(name.removeprefix(before).split(".")[0]) + 1, name
        else:
            assert depth in (0, blocks + 1), name
    assert found.last == blocks + 1


def test_bert() -> None:
    found = made("BertForSequenceClassification", "BertConfig", vocab_size=30, **SMALL)
    by_number(found, "bert.encoder.layer.", 3)
    assert {n.split(".")[1] for n in found.stem} == {"embeddings"}
    assert {n.rpartition(".")[0] for n in found.head} == {"bert.pooler.dense", "classifier"}


def test_vit() -> None:
    found = made("ViTForImageClassification", "ViTConfig", image_size=32, patch_size=8, **SMALL)
    before = next(n for n in found.of if ".0." in n).split(".0.")[0] + "."
    by_number(found, before, 3)
    assert found.of["classifier.weight"] == 4


def test_gpt_whose_head_is_its_embedding() -> None:
    found = made("GPT2LMHeadModel", "GPT2Config", n_embd=16, n_layer=3, n_head=2, vocab_size=30, bos_token_id=1,
                 eos_token_id=2)  # fmt: skip
    by_number(found, "transformer.h.", 3)
    assert found.stem == {"transformer.wte.weight", "transformer.wpe.weight"}
    assert found.head == {"transformer.ln_f.weight", "transformer.ln_f.bias"}


def test_resnet_counts_blocks_through_its_stages() -> None:
    found = made("ResNetForImageClassification", "ResNetConfig", embedding_size=8, hidden_sizes=[8, 16], depths=[2, 3],
                 layer_type="basic")  # fmt: skip
    seen: dict[tuple[str, str], set[int]] = {}
    for name, depth in found.of.items():
        if "stages" in name:
            _, rest = name.split("stages.")
            seen.setdefault((rest.split(".")[0], rest.split(".")[2]), set()).add(depth)
    assert seen == {("0", "0"): {1}, ("0", "1"): {2}, ("1", "0"): {3}, ("1", "1"): {4}, ("1", "2"): {5}}
    assert found.last == 6


def test_t5_counts_its_encoder_before_its_decoder() -> None:
    found = made("T5ForConditionalGeneration", "T5Config", d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2,
                 vocab_size=30)  # fmt: skip
    assert found.of["shared.weight"] == 0
    assert {found.of[n] for n in found.of if n.startswith("encoder.block.1")} == {2}
    assert {found.of[n] for n in found.of if n.startswith("decoder.block.0")} == {3}
    assert found.last == 5
