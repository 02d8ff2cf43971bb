# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Look at tokens, change them, decode them
#
# `make quickstart` left a trained tokenizer in `outputs/latest/tokenizer`. This notebook loads it with plain PyTorch.
# Another one: set the environment variable `SIGNALTOK_TOKENIZER` to its folder.

# %%
import os
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from safetensors.torch import load_file

import signaltok

root = Path(signaltok.__file__).parents[2]  # the repository, of which this is an editable install
folder = Path(os.environ.get("SIGNALTOK_TOKENIZER", root / "outputs/latest/tokenizer"))
tokenizer = signaltok.load(folder)
sizes, strides = tokenizer.quantizer.codebook_sizes, tokenizer.strides
print(f"{len(sizes)} level(s), codebook sizes {sizes}, strides {strides}")

# %% [markdown]
# ## A photograph becomes integers
#
# The picture was not seen in training: its name falls into the test split.

# %%
picture = signaltok.read_image(root / "data/photos/mountain6.jpg")
x = picture[None, :, :256, :384]
stack = tokenizer.encode(x)
codes = stack.levels[0]
count = sum(level.numel() for level in stack.levels)
print(f"{tuple(x.shape[1:])} values in {count} tokens; the first: {codes[0, 0, :8].tolist()}")


# %%
def show(*pictures, titles):
    figure, axes = plt.subplots(1, len(pictures), figsize=(5 * len(pictures), 4), constrained_layout=True)
    for axis, image, title in zip(axes, pictures, titles, strict=True):
        axis.imshow(image, cmap="nipy_spectral", interpolation="nearest")
        axis.set_title(title)
        axis.axis("off")
    plt.show()


def pixels(signal):
    return ((signal[0].clamp(-1, 1) + 1) / 2).permute(1, 2, 0)


y = tokenizer.decode(stack)
psnr = -10 * torch.log10(((x - y.clamp(-1, 1)) / 2).square().mean())
show(pixels(x), codes[0], pixels(y), titles=["picture", "tokens of level 0", f"decoded, {psnr:.1f} dB"])

# %% [markdown]
# ## Change the tokens, and the picture follows
#
# The left half of the grid is mirrored into the right half: nothing but integers is touched.

# %%
edited = codes.clone()
half = edited.shape[2] // 2
edited[:, :, -half:] = edited[:, :, :half].flip(2)
changed = replace(stack, levels=(edited, *stack.levels[1:]))
show(pixels(y), edited[0], pixels(tokenizer.decode(changed)), titles=["before", "edited tokens", "decoded"])

# %% [markdown]
# ## How evenly the codes are used
#
# Counts on the validation split, as exported; where the folder has none, those of this picture.

# %%
tensors = load_file(folder / "codebooks.safetensors")
counts = tensors.get("counts.0", torch.bincount(codes.flatten(), minlength=sizes[0]))
share = counts.double() / counts.sum()
perplexity = torch.exp(-(share[share > 0] * share[share > 0].log()).sum())
figure, axis = plt.subplots(figsize=(9, 3), constrained_layout=True)
axis.bar(range(len(counts)), counts.sort(descending=True).values, width=1.0)
axis.set(
    xlabel="code, by rank",
    ylabel="hits",
    yscale="log",
    title=f"used {(counts > 0).double().mean():.1%}, perplexity {perplexity:.0f}",
)
plt.show()
