"""Folders of images, written with Pillow."""

import numpy as np
from PIL import Image


def pixels(seed, shape=(8, 6)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(path, array, mode=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)


def write_classes(folder, classes=("cat", "dog"), count=10, shape=(8, 6), suffix=".png"):
    """FOLDER/CLASS/NUMBER.png; return the pixels by name."""
    made = {}
    for label, name in enumerate(classes):
        for number in range(count):
            array = pixels(label * 1000 + number, shape)
            save(folder / name / f"{number}{suffix}", array)
            made[f"{name}/{number}{suffix}"] = array
    return made
