"""Trainings whose recipe is published, and what the publication says."""

from __future__ import annotations

from typing import Any

IMAGENET: dict[str, Any] = {"model": "resnet50", "data": "imagenet", "epochs": 90}

PUBLISHED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "Goyal 2017: ResNet-50, batch 256": (
        {**IMAGENET, "batch_size": 256},
        {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 1e-4, "clip_norm": None},
    ),
    "Goyal 2017: ResNet-50, batch 8192, warmup of 5 epochs": (
        {**IMAGENET, "batch_size": 8192},
        {"optimizer": "sgd", "learning_rate": 3.2, "warmup": "5 epochs"},
    ),
    "You 2019: ResNet-50, LAMB, batch 16384": (
        {**IMAGENET, "batch_size": 16384},
        {"optimizer": "lamb", "learning_rate": 0.0283, "warmup": "10 epochs"},
    ),
    "You 2019: ResNet-50, LAMB, batch 32768, warmup of 20 epochs": (
        {**IMAGENET, "batch_size": 32768},
        {"optimizer": "lamb", "learning_rate": 0.04, "warmup": "20 epochs"},
    ),
    "Zagoruyko 2016: CIFAR, batch 128": (
        {"model": "resnet18", "data": "cifar10", "batch_size": 128, "epochs": 200},
        {"optimizer": "sgd", "learning_rate": 0.1, "weight_decay": 5e-4},
    ),
    "Touvron 2020: DeiT, batch 1024, 300 epochs": (
        {"model": "vit_b_16", "data": "imagenet", "batch_size": 1024, "epochs": 300},
        {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 0.05, "warmup": "5 epochs"},
    ),
    "Liu 2022: ConvNeXt, batch 4096": (
        {"model": "convnext_tiny", "data": "imagenet", "batch_size": 4096, "epochs": 300},
        {"optimizer": "adamw", "learning_rate": 4e-3, "weight_decay": 0.05},
    ),
    "Devlin 2018: BERT from scratch, batch 256": (
        {"model": "bert-base", "task": "masked_lm", "batch_size": 256, "updates": 10**6, "tokens_per_example": 512},
        {"optimizer": "adamw", "learning_rate": 1e-4, "weight_decay": 0.01},
    ),
    "Liu 2019: RoBERTa from scratch, batch 8192 (6e-4 to 5 %)": (
        {"model": "roberta-base", "task": "masked_lm", "batch_size": 8192, "updates": 500_000, "tokens_per_example": 512},
        {"optimizer": "adamw", "learning_rate": 5.66e-4, "warmup": "5%"},
    ),
    "Devlin 2018: fine-tuning, between 2e-5 and 5e-5": (
        {"model": "bert-base-uncased", "data": "sst2", "batch_size": 32, "epochs": 3},
        {"optimizer": "adamw", "learning_rate": 3e-5},
    ),
    "Brown 2020: GPT-3 small, the shape of GPT-2: 6e-4 for half a million tokens": (
        {"model": "gpt2", "task": "lm", "batch_size": 512, "updates": 100_000, "tokens_per_example": 1024},
        {"optimizer": "adamw", "learning_rate": 6e-4, "weight_decay": 0.1, "clip_norm": 1.0, "warmup": 2000},
    ),
    "Brown 2020: between 1.3 billion parameters at 2e-4 and 2.7 at 1.6e-4": (
        {"model": "gpt2-xl", "task": "lm", "batch_size": 512, "updates": 100_000, "tokens_per_example": 2048},
        {"optimizer": "adamw", "learning_rate": 1.88e-4, "weight_decay": 0.1, "clip_norm": 1.0},
    ),
    "He 2021, the published code: fine-tuning ViT-B, batch 1024, and ViT-L": (
        {"model": "vit_b_16", "data": "imagenet", "batch_size": 1024, "epochs": 100, "fine_tuning": True},
        {"optimizer": "adamw", "learning_rate": 2e-3, "warmup": "5%", "weight_decay": 0.05,
         "groups": {"no_decay": True, "layer_decay": 0.65}},
    ),
    "He 2021: fine-tuning ViT-L, batch 1024": (
        {"model": "vit_l_16", "data": "imagenet", "batch_size": 1024, "epochs": 50, "fine_tuning": True},
        {"learning_rate": 4e-3, "groups": {"no_decay": True, "layer_decay": 0.75}},
    ),
    "Carion 2020: DETR, 64 images": (
        {"model": "swin_t", "task": "detection", "data": "coco", "batch_size": 64, "epochs": 300, "fine_tuning": True},
        {"optimizer": "adamw", "learning_rate": 1e-4, "weight_decay": 1e-4, "clip_norm": 0.1},
    ),
    "DETR, the published code: 16 images": (
        {"model": "swin_t", "task": "detection", "data": "coco", "batch_size": 16, "epochs": 300, "fine_tuning": True},
        {"learning_rate": 1e-4},
    ),
    "Peebles 2022: DiT-XL, 256 images (here a transformer of the size)": (
        {"model": "vit_l_16", "task": "diffusion", "batch_size": 256, "updates": 400_000},
        {"learning_rate": 1e-4, "schedule": "warmup(5000) >> constant()", "weight_decay": 0.0},
    ),
    "Dhariwal 2021: ImageNet 64 x 64, 2048 images, 3e-4 (to 6 %)": (
        {"model": "vit_l_16", "task": "diffusion", "batch_size": 2048, "updates": 540_000},
        {"learning_rate": 2.83e-4},
    ),
    "Touvron 2023: instructions for Llama 2": (
        {"model": "llama-7b", "task": "lm", "batch_size": 64, "updates": 860, "tokens_per_example": 4096,
         "fine_tuning": True},
        {"optimizer": "adamw", "learning_rate": 2e-5, "weight_decay": 0.1},
    ),
    "Baevski 2020: 100 hours, base": (
        {"model": "facebook/wav2vec2-base-960h", "task": "asr", "batch_size": 64, "updates": 80_000},
        {"optimizer": "adamw", "learning_rate": 3e-5,
         "schedule": "warmup('10%') >> constant('40%') >> linear(to=0.05)"},
    ),
    "Whisper, small, 4,000 updates of 16": (
        {"model": "openai/whisper-small", "batch_size": 16, "updates": 4000},
        {"learning_rate": 1e-5, "warmup": 400},
    ),
    "T5 with AdamW": (
        {"model": "t5-base", "task": "translation", "batch_size": 32, "updates": 10_000, "tokens_per_example": 128},
        {"learning_rate": 1e-4},
    ),
    "He 2017: Mask R-CNN, 16 images": (
        {"model": "resnet50", "task": "detection", "data": "coco", "batch_size": 16, "epochs": 12, "fine_tuning": True},
        {"optimizer": "sgd", "learning_rate": 0.02, "warmup": 500, "weight_decay": 1e-4},
    ),
    "Faster R-CNN on one card: 0.01 for 8 images": (
        {"model": "resnet50", "task": "detection", "data": "coco", "batch_size": 8, "epochs": 12, "fine_tuning": True},
        {"learning_rate": 0.01},
    ),
    "torchvision: RetinaNet, 16 images": (
        {"model": "retinanet_resnet50_fpn", "data": "coco", "batch_size": 16},
        {"optimizer": "sgd", "learning_rate": 0.01, "weight_decay": 1e-4},
    ),
    "Chen 2017: segmentation, 16 images": (
        {"model": "resnet101", "task": "segmentation", "data": "cityscapes", "batch_size": 16, "epochs": 200,
         "fine_tuning": True},
        {"optimizer": "sgd", "learning_rate": 0.01},
    ),
    "Ho 2020: diffusion, average of the weights": (
        {"model": "resnet50", "task": "diffusion", "batch_size": 128, "updates": 800_000, "data": "cifar10"},
        {"optimizer": "adamw", "learning_rate": 2e-4, "warmup": 5000, "averaging": {"decay": 0.9999}},
    ),
    "Vaswani 2017: translation, warmup of 4000": (
        {"model": "t5-small", "task": "translation", "batch_size": 256, "updates": 100_000, "tokens_per_example": 100,
         "from_scratch": True},
        {"learning_rate": 7e-4, "warmup": 4000, "label_smoothing": 0.1},
    ),
}  # fmt: skip
"""What is published -> the training, and what a recommendation must come to."""

OTHERS: tuple[dict[str, Any], ...] = (
    {"model": "resnet50", "task": "other", "batch_size": 64, "updates": 20_000},
    {"model": "vit_b_16", "data": "cifar10", "batch_size": 128, "epochs": 10, "fine_tuning": True, "hardware": "T4"},
    {"model": "resnet50", "data": "food101", "batch_size": 128, "epochs": 30, "fine_tuning": True, "hardware": "cpu"},
    {"model": "swin_t", "task": "detection", "data": "coco", "batch_size": 16, "epochs": 36, "fine_tuning": True},
    {"model": "swin_t", "task": "segmentation", "data": "ade20k", "batch_size": 16, "epochs": 128, "noise": 0.1},
    {"model": "resnet50", "task": "contrastive", "data": "imagenet", "batch_size": 4096, "epochs": 100},
    {"model": "gpt2", "data": "openwebtext", "batch_size": 512, "tokens_per_example": 1024, "tokens": 1e10},
    {"model": "llama-7b", "task": "lm", "batch_size": 1024, "tokens_per_example": 4096, "tokens": 1e12, "gpus": 64},
    {"model": "bert-large", "data": "rte", "batch_size": 16, "epochs": 10, "noise": 0.05},
    {"model": "resnet18", "data": "mnist", "batch_size": 128, "updates": 100},
)
"""Further trainings of every kind that rules are about."""
