"""The transform against torch.stft, and a head that gives a signal back exactly, at its ends too."""

import pytest
import torch
from torch import Tensor, nn

from signaltok.layers.extent import Extent
from signaltok.layers.fourier import InverseStft, Stft

ALONE = Extent(None, None)
SIZES = [(16, 4), (16, 8), (20, 4), (18, 6)]


def spectrum(signal: Tensor, size: int, hop: int) -> Tensor:
    """[b, bins, frames] of the frames that Stft takes, by torch.stft over the padded signal."""
    reach = (size - hop) // 2
    x = nn.functional.pad(signal[:, 0], (reach, reach + -signal.shape[-1] % hop))
    window = torch.hann_window(size)
    return torch.stft(x, size, hop, window=window, center=False, return_complex=True)


@pytest.mark.parametrize(("size", "hop"), SIZES)
@pytest.mark.parametrize("length", [1, 40, 43])
def test_frames_are_torchs(size, hop, length):
    signal = torch.randn(2, 1, length)
    layer = Stft(size=size, hop=hop, compression=1.0, floor=1e-6, gain=1.0)
    values = layer(signal, extent=ALONE)
    assert values.shape == (2, size + 2, -(-length // hop))
    reference = torch.view_as_real(spectrum(signal, size, hop)) * (2.0 / size) ** 0.5
    torch.testing.assert_close(values, reference.permute(0, 1, 3, 2).flatten(1, 2), rtol=1e-4, atol=1e-5)


def test_compression_keeps_the_phase_and_takes_the_root_of_the_magnitude():
    signal = torch.randn(1, 1, 64)
    plain, rooted, loud = (
        Stft(size=16, hop=4, compression=c, floor=1e-6, gain=gain)(signal, extent=ALONE)
        for c, gain in ((1.0, 1.0), (0.5, 1.0), (0.5, 3.0))
    )
    torch.testing.assert_close(loud, 3.0 * rooted)
    one, other = (torch.view_as_complex(v.view(1, 9, 2, -1).transpose(-1, -2).contiguous()) for v in (plain, rooted))
    torch.testing.assert_close(other.abs(), one.abs().sqrt(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(other * one.abs().sqrt(), one, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("size", "hop"), SIZES)
def test_the_head_gives_back_a_signal_from_its_spectrum_exactly_and_to_its_ends(size, hop):
    head = InverseStft(width=size + 2, channels=1, size=size, hop=hop)
    head.project = nn.Identity()
    for cells in (1, 2, 7):
        signal = torch.randn(1, 1, cells * hop)
        values = spectrum(signal, size, hop)
        x = torch.cat([values.abs().clamp(min=1e-20).log(), values.angle()], dim=1)
        back = head(x, extent=ALONE)
        assert back.shape == signal.shape
        torch.testing.assert_close(back, signal, rtol=1e-4, atol=1e-5)


def test_an_item_ends_where_it_ends_in_a_batch_too():
    head = InverseStft(width=5, channels=2, size=16, hop=4).double()
    x = torch.randn(2, 5, 9, dtype=torch.float64)
    together = head(x, extent=Extent(torch.tensor([[9], [4]]), None))
    torch.testing.assert_close(together[1:, :, :16], head(x[1:, :, :4], extent=ALONE))
    torch.testing.assert_close(together[:1], head(x[:1], extent=ALONE))
    assert together.isfinite().all()


@pytest.mark.parametrize(("size", "hop"), [(15, 5), (16, 5), (6, 4)])
def test_frames_that_do_not_fit_are_refused(size, hop):
    with pytest.raises(ValueError, match=f"got size {size} and hop {hop}"):
        Stft(size=size, hop=hop, compression=1.0, floor=1e-6, gain=1.0)
