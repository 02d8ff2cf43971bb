"""Levels that do not build on one another."""

from dataclasses import replace

import pytest
import torch
from plain import vector

from signaltok.decoders.conv import ConvDecoder
from signaltok.encoders.conv import ConvEncoder
from signaltok.quantizers.parallel import ParallelQuantizer
from signaltok.tokenizer import Tokenizer


def build(strides: list[int] | None = None, axes: int = 1, dim: int = 4, size: int = 16) -> ParallelQuantizer:
    torch.manual_seed(0)
    return ParallelQuantizer(
        latent_dim=dim, axes=axes, strides=strides or [4, 2, 1], width=8, depth=1, level=vector(3, size)
    ).train()


def test_each_level_alone_stands_for_the_latent() -> None:
    quantizer, z = build(), torch.randn(2, 4, 21)
    quantizer(z)
    quantizer.eval()
    codes = quantizer.encode(z)
    assert [own.shape[1] for own in codes] == [6, 11, 21] and quantizer.level_strides == (4, 2, 1)
    shuffled = [torch.randint(16, own.shape) for own in codes]
    # By the finest of the levels that are there, whatever the others say.
    assert torch.equal(quantizer.decode(codes), quantizer.decode((*shuffled[:2], codes[2])))
    assert not torch.equal(quantizer.decode(codes), quantizer.decode((*codes[:2], shuffled[2])))
    for kept in (1, 2):
        alone = quantizer.decode_levels(codes[:kept], (21,))
        assert alone.shape == z.shape and not torch.equal(alone, quantizer.decode(codes))
    with pytest.raises(ValueError, match="give it to decode_levels"):
        quantizer.decode(codes[:2])


def test_a_level_shares_nothing_with_the_others() -> None:
    quantizer, z = build(), torch.randn(2, 4, 21)
    quantizer(z)
    quantizer.eval()
    before = quantizer.encode(z)
    with torch.no_grad():
        for parameter in quantizer.encoders[0].parameters():
            parameter.add_(1.0)
    after = quantizer.encode(z)
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1]) and torch.equal(before[2], after[2])


def test_items_are_dealt_to_the_levels_evenly_and_anew() -> None:
    quantizer, z = build(), torch.randn(8, 4, 21)
    dealt = [quantizer(z).active for _ in range(4)]
    for active in dealt:
        assert active is not None and bool((active.sum(1) == 1).all())
        assert sorted(active.sum(0).tolist()) == [2, 3, 3]
    assert not all(torch.equal(dealt[0], active) for active in dealt[1:])


def test_an_item_shows_the_level_that_it_was_dealt_to_and_gives_it_alone_a_gradient() -> None:
    quantizer, z = build(), torch.randn(3, 4, 21)
    quantizer(z)
    quantized = quantizer(z)
    assert quantized.active is not None
    shown = quantized.active[0].int().argmax()
    gradients = torch.autograd.grad(quantized.z_q[0].sum(), list(quantizer.parameters()), allow_unused=True)
    for (name, _), gradient in zip(quantizer.named_parameters(), gradients, strict=True):
        learns = gradient is not None and bool(gradient.any())
        assert learns == name.startswith((f"encoders.{shown}.", f"decoders.{shown}.")), name


def test_the_inner_latent_receives_the_gradient_once() -> None:
    quantizer, z = build([2, 1]), torch.randn(2, 4, 20)
    quantizer(z)
    inner, looked_up = {}, {}
    for number, level in enumerate(quantizer.levels):
        level.register_forward_pre_hook(lambda _, args, number=number: inner.__setitem__(number, args[0]))
        level.register_forward_hook(lambda _, args, out, number=number: looked_up.__setitem__(number, out.z_q))
    z_q = quantizer(z).z_q
    for number in range(2):
        ours, theirs = torch.autograd.grad(z_q.sum(), [inner[number], looked_up[number]], retain_graph=True)
        assert torch.equal(ours, theirs) and ours.any()


def test_a_tokenizer_decodes_its_coarsest_level_alone() -> None:
    torch.manual_seed(0)
    shape = {"axes": 1, "channels": 1, "stride": 4, "depth": 1, "latent_dim": 4}
    tokenizer = Tokenizer(
        encoder=ConvEncoder(widths=[4, 8], **shape),
        quantizer=build(),
        decoder=ConvDecoder(widths=[8, 4], **shape),
        value_range=(-1.0, 1.0),
        block=256,
        sample_rate=None,
    )
    signal = torch.rand(2, 1, 150) * 2 - 1
    tokenizer.train()(signal)
    stack = tokenizer.eval().encode(signal, torch.tensor([[150], [93]]))
    assert stack.strides == ((16,), (8,), (4,)) and [own.shape[1] for own in stack.levels] == [10, 19, 38]
    top = replace(
        stack,
        levels=stack.levels[:1],
        codebook_sizes=stack.codebook_sizes[:1],
        strides=stack.strides[:1],
        lengths=stack.lengths[:1],
        shares=stack.shares[:1],
        spans=stack.spans[:1],
    )
    decoded = tokenizer.decode(top)
    assert decoded.shape == signal.shape and not decoded[1, :, 93:].any()
    assert not torch.equal(decoded, tokenizer.decode(stack))


@pytest.mark.parametrize("strides", [[1, 2], [4, 2], [6, 1], [2, 2, 1], []])
def test_strides_that_are_no_descending_powers_of_two_are_refused(strides: list[int]) -> None:
    with pytest.raises(ValueError, match="descending powers of two"):
        ParallelQuantizer(latent_dim=4, axes=1, strides=strides, width=8, depth=1, level=vector(3))
