"""The plain script that `experiment=quickstart` is held against: one file, plain PyTorch, no Lightning.

    python benchmarks/plain_image.py --seconds 150 [--stride 4]

Trains a VQ autoencoder (codebook of 1,024; 0.156 bits per pixel at stride 8, 0.625 at 4) on data/photos and prints the
mean PSNR and SSIM over the 64-pixel tiles of the test photographs, with usage and perplexity of the codebook.
The clock bounds the training alone; loading, evaluation and imports are not in it. Needs torch, numpy, Pillow.
"""

import argparse
import hashlib
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

PHOTOS = Path(__file__).parent.parent / "data" / "photos"
TILE = 64
CODES = 1024
CODE_DIM = 8
EMA_DECAY = 0.97
BFLOAT16 = any(has for name, has in torch.cpu.get_capabilities().items() if name.endswith("bf16"))  # else slower


def load(split: str) -> Tensor:
    """uint8 [photos, 3, 360, 720]; split by the MD5 of the file name mod 10: 0 test, 1 val, the rest train."""
    pictures = []
    for path in sorted(PHOTOS.glob("*.jpg")):
        bucket = int(hashlib.md5(path.name.encode()).hexdigest(), 16) % 10
        if {0: "test", 1: "val"}.get(bucket, "train") == split:
            pictures.append(np.asarray(Image.open(path).convert("RGB")))
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


class Block(nn.Module):
    """x + conv1x1(silu(conv3x3(silu(x))))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(width, width, 3, padding=1)
        self.outer = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.outer(F.silu(self.inner(F.silu(x))))


def encoder(stride: int) -> nn.Sequential:
    if stride == 4:
        return nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(48, 96, 3, padding=1), Block(96), Block(96), Block(96),
            nn.Conv2d(96, CODE_DIM, 1),
        )  # fmt: skip
    return nn.Sequential(
        nn.PixelUnshuffle(4), nn.Conv2d(48, 96, 3, padding=1), Block(96), Block(96),
        nn.Conv2d(96, 160, 2, stride=2), Block(160), Block(160), nn.Conv2d(160, CODE_DIM, 1),
    )  # fmt: skip


def decoder(stride: int) -> nn.Sequential:
    if stride == 4:
        return nn.Sequential(
            nn.Conv2d(CODE_DIM, 96, 3, padding=1), Block(96), Block(96), Block(96),
            nn.Conv2d(96, 48, 3, padding=1), nn.PixelShuffle(4),
        )  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(CODE_DIM, 160, 3, padding=1), Block(160), Block(160),
        nn.ConvTranspose2d(160, 96, 2, stride=2), Block(96), Block(96),
        nn.Conv2d(96, 48, 3, padding=1), nn.PixelShuffle(4),
    )  # fmt: skip


class Codebook(nn.Module):
    """Cosine codebook, updated by exponential moving averages (van den Oord et al. 2017, appendix A.1)."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(CODES, CODE_DIM))
        self.register_buffer("sums", torch.zeros(CODES, CODE_DIM))
        self.register_buffer("counts", torch.ones(CODES))
        self.steps = 0

    def forward(self, z: Tensor, revive: bool) -> tuple[Tensor, Tensor, Tensor]:
        b, d, h, w = z.shape
        flat = F.normalize(z.float().permute(0, 2, 3, 1).reshape(-1, d), dim=-1)
        if self.training and self.steps == 0:
            self.codes.copy_(flat.detach()[torch.randint(len(flat), (CODES,))])
            self.sums.copy_(self.codes)
        indices = (flat.detach() @ self.codes.T).argmax(1)
        quantized = self.codes[indices]
        if self.training:
            self.update(flat.detach(), indices, revive)
        commitment = F.mse_loss(flat, quantized)
        straight_through = flat + (quantized - flat).detach()
        return straight_through.view(b, h, w, d).permute(0, 3, 1, 2), indices, commitment

    def update(self, flat: Tensor, indices: Tensor, revive: bool) -> None:
        self.steps += 1
        self.counts.mul_(EMA_DECAY).add_(torch.bincount(indices, minlength=CODES), alpha=1 - EMA_DECAY)
        self.sums.mul_(EMA_DECAY).index_add_(0, indices, flat, alpha=1 - EMA_DECAY)
        self.codes.copy_(F.normalize(self.sums, dim=-1))
        if revive and self.steps % 10 == 0:
            mean = len(flat) / CODES
            dead = (self.counts < 0.05 * mean).nonzero()[:, 0]
            self.codes[dead] = flat[torch.randint(len(flat), (len(dead),))]
            self.sums[dead] = self.codes[dead] * mean
            self.counts[dead] = mean


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of Wang et al. 2004 per picture, 11-pixel Gaussian window of sigma 1.5, range 1, edges mirrored."""
    x, y = F.pad(x, (5, 5, 5, 5), mode="reflect"), F.pad(y, (5, 5, 5, 5), mode="reflect")
    line = torch.exp(-((torch.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    line = line / line.sum()

    def blur(a: Tensor) -> Tensor:
        a = F.conv2d(a, line.view(1, 1, 11, 1).expand(3, 1, 11, 1), groups=3)
        return F.conv2d(a, line.view(1, 1, 1, 11).expand(3, 1, 1, 11), groups=3)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean((1, 2, 3))


def random_crops(photos: Tensor, batch: int) -> Tensor:
    crops = []
    for _ in range(batch):
        n = torch.randint(len(photos), ()).item()
        top, left = torch.randint(360 - TILE + 1, ()).item(), torch.randint(720 - TILE + 1, ()).item()
        crop = photos[n, :, top : top + TILE, left : left + TILE]
        crops.append(crop.flip(-1) if torch.rand(()) < 0.5 else crop)
    return torch.stack(crops).float() / 127.5 - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=150, help="seconds of training")
    parser.add_argument("--stride", type=int, choices=(8, 4), default=8)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    stride = arguments.stride
    train, test = load("train"), load("test")

    model = nn.ModuleDict({"encoder": encoder(stride), "codebook": Codebook(), "decoder": decoder(stride)})
    model = model.to(memory_format=torch.channels_last).train()
    parameters = list(model.parameters())
    average = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=1.0, betas=(0.9, 0.99), weight_decay=0.0)

    start, step = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < arguments.seconds:
        share = elapsed / arguments.seconds
        rate = arguments.learning_rate * min(1, (step + 1) / 50) * (0.02 + 0.98 * (1 + math.cos(math.pi * share)) / 2)
        optimizer.param_groups[0]["lr"] = rate
        x = random_crops(train, arguments.batch).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            z = model["encoder"](x)
        z_q, _, commitment = model["codebook"](z, revive=share < 0.8)
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            y = model["decoder"](z_q)
        loss = F.mse_loss(y.float(), x) + 0.1 * commitment
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - min(0.999, (step + 1) / (step + 10)))
        step += 1
    seconds = time.perf_counter() - start

    for parameter, mean in zip(parameters, average, strict=True):
        parameter.data.copy_(mean)
    model.eval()
    psnrs, ssims, counts = [], [], torch.zeros(CODES, dtype=torch.long)
    tiles = test[:, :, : 360 // TILE * TILE, : 720 // TILE * TILE].unfold(2, TILE, TILE).unfold(3, TILE, TILE)
    tiles = tiles.permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, TILE, TILE)
    with torch.no_grad():
        for batch in tiles.split(64):
            x = batch.float() / 127.5 - 1
            z_q, indices, _ = model["codebook"](model["encoder"](x), revive=False)
            y = model["decoder"](z_q).clamp(-1, 1)
            psnrs.append(-10 * torch.log10(((x - y) / 2).square().mean((1, 2, 3))))
            ssims.append(ssim((x + 1) / 2, (y + 1) / 2))
            counts += torch.bincount(indices, minlength=CODES)
    p = counts / counts.sum()
    row = {
        "seconds": round(seconds, 1),
        "steps": step,
        "milliseconds_per_step": round(1000 * seconds / step, 1),
        "parameters": sum(p.numel() for p in parameters),
        "tiles": len(tiles),
        "psnr": round(torch.cat(psnrs).mean().item(), 3),
        "ssim": round(torch.cat(ssims).mean().item(), 4),
        "usage": round((counts > 0).double().mean().item(), 4),
        "perplexity": round(torch.exp(-(p * torch.log(p.clamp_min(1e-12))).sum()).item(), 1),
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
