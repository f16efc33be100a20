"""Folders of images, one folder per class, and the models that are trained on them.

A recipe names the task as ``cadence.tasks.images:folder``. Images are decoded by Pillow, in worker processes.
"""

from __future__ import annotations

from cadence.tasks.images.task import folder

__all__ = ["folder"]
