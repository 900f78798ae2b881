"""Makes the pictures of this folder with Pillow, and what it reads of them, in other sizes too.

usage: python make.py DIRECTORY        DIRECTORY is this folder
"""
import os
import sys

import numpy as np
from PIL import Image


def main():
    out = sys.argv[1]
    rng = np.random.default_rng(1)
    h, w = 23, 31
    smooth = np.stack([np.add.outer(np.arange(h) * a, np.arange(w) * b) for a, b in ((9, 1), (2, 7), (4, 4))], -1)
    pixels = np.clip(smooth + rng.integers(-20, 20, smooth.shape), 0, 255).astype(np.uint8)
    colours = Image.fromarray(pixels)
    gray = colours.convert("L")
    alpha = colours.convert("RGBA")
    alpha.putalpha(Image.fromarray(rng.integers(0, 256, (h, w)).astype(np.uint8)))
    saved = {
        "colours.png": colours, "gray.png": gray, "alpha.png": alpha,
        "palette.png": colours.convert("P", palette=Image.Palette.ADAPTIVE, colors=40),
        "bits.png": gray.point(lambda v: 255 * (v > 127)).convert("1"),
        "gray_alpha.png": Image.merge("LA", (gray, gray.transpose(Image.Transpose.FLIP_LEFT_RIGHT))),
        "colours.jpg": colours, "gray.jpg": gray, "progressive.jpg": colours,
        "cmyk.jpg": colours.convert("CMYK"),
    }
    for name, image in saved.items():
        path = os.path.join(out, name)
        image.save(path, **({"progressive": True, "quality": 80} if name == "progressive.jpg" else {}))
        if name == "cmyk.jpg":
            continue
        read = Image.open(path)
        np.save(os.path.join(out, name + ".rgb.npy"), np.asarray(read.convert("RGBA").convert("RGB") if read.mode in ("P", "LA") else read.convert("RGB")))
    np.save(os.path.join(out, "colours.png.gray.npy"), np.asarray(colours.convert("L")))
    for size in ((8, 8), (40, 17), (62, 46), (31, 5)):
        np.save(os.path.join(out, f"resized_{size[1]}x{size[0]}.npy"), np.asarray(colours.resize(size, Image.Resampling.BILINEAR)))


if __name__ == "__main__":
    main()
