"""With the weights of the public packages' models, encoder and decoder compute what those compute.

Random weights in the published shapes (or smaller ones of the same build). The models stand at the published scale in
configs/experiment/paper/; counts of parameters are held in tests/configs/test_paper_audio.py.
"""

import warnings

import pytest
import torch
from published import copy_weights, dac, encodec, mimi, snac
from torch import nn

TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def signal(channels: int, length: int) -> torch.Tensor:
    return torch.randn(1, channels, length, generator=torch.Generator().manual_seed(0)).clamp(-3, 3) / 3


def randomised(model: nn.Module) -> nn.Module:
    """Biases, norms and slopes that are no zeros and ones, so that none can be left out unseen."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 or "alpha" in name:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def same(ours: tuple[nn.Module, nn.Module], theirs: tuple, x: torch.Tensor) -> None:
    for part, other in zip(ours, theirs, strict=True):
        copy_weights(part, other[0])
    with torch.no_grad():
        latent = ours[0](x, None)
        expected = theirs[0][1](x)
        torch.testing.assert_close(latent, expected, **TOLERANCE)
        decoded, whole = ours[1](expected, None), theirs[1][1](expected)
        lost = decoded.shape[-1] - whole.shape[-1]
        # transformers' DAC loses samples at odd strides, ours none; there all but what looks at the end is the same.
        stop = whole.shape[-1] if not lost else whole.shape[-1] - ours[1].receptive_field[0] * ours[1].stride[0]
        assert stop > 0
        torch.testing.assert_close(decoded[..., :stop], whole[..., :stop], **TOLERANCE)


@pytest.mark.parametrize("stereo", [False, True])
def test_encodec_at_any_length(stereo):
    from encodec.modules import SEANetDecoder, SEANetEncoder

    torch.manual_seed(0)
    rule = {"causal": not stereo, "norm": "time_group_norm" if stereo else "weight_norm"}
    shape = {"channels": 1 + stereo, "dimension": 8, "n_filters": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package uses the older form of weight norm
        model = [randomised(half(**shape, **rule)) for half in (SEANetEncoder, SEANetDecoder)]
    ours = encodec(stereo, 4, 8)
    for length in (3, 700, 5000, 6400):
        same(ours, tuple((part, part) for part in model), signal(1 + stereo, length))


@pytest.mark.parametrize("strides", [[2, 4], [2, 5]])
def test_dac_at_whole_cells(strides):
    from transformers import DacConfig, DacModel

    torch.manual_seed(0)
    config = DacConfig(encoder_hidden_size=8, decoder_hidden_size=16, downsampling_ratios=strides)
    model = randomised(DacModel(config))
    stride = torch.tensor(strides).prod().item()
    parts = tuple((part, part) for part in (model.encoder, model.decoder))
    same(dac(8, 16, strides), parts, signal(1, 60 * stride))


@pytest.mark.parametrize("window", [None, 4])
def test_snac_with_and_without_attention(window, monkeypatch):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package scripts its Snake
        from snac import SNAC

    torch.manual_seed(0)
    strides = [2, 3, 4]
    model = SNAC(
        encoder_dim=16,
        encoder_rates=strides,
        decoder_dim=128,
        decoder_rates=strides[::-1],
        attn_window_size=window,
        vq_strides=[1],
    )
    model = randomised(model)
    monkeypatch.setattr(torch, "randn", torch.zeros)  # the package draws noise also when it decodes
    parts = tuple((part, part) for part in (model.encoder, model.decoder))
    same(snac(16, 128, strides, window), parts, torch.linspace(-1, 1, 24 * 8).sin()[None, None])


def test_mimi_with_its_transformer_and_last_resampling():
    from transformers import MimiConfig, MimiModel

    torch.manual_seed(0)
    config = MimiConfig(
        num_filters=4,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=48,
        sliding_window=5,
        upsample_groups=32,
        num_quantizers=2,
        codebook_size=8,
        codebook_dim=8,
        vector_quantization_hidden_dimension=8,
    )
    model = randomised(MimiModel(config))
    halves = [half for half in model.children() if type(half).__name__ in ("MimiEncoderModel", "MimiDecoderModel")]
    encoder, decoder = halves
    calls = (
        (encoder, lambda x: encoder(x).latents),
        (decoder, lambda z: decoder(z).audio_values),
    )
    ours = mimi(4, 32, 2, 2, 48, 5)
    for length in (100, 1920 * 9, 1920 * 8 + 77):
        same(ours, calls, signal(1, length))
