"""Hidden positions: what is hidden, what the two losses are by hand, what each of them leaves alone."""

import copy
import math

import pytest
import torch
from masked import context, random_codes
from torch import Tensor, nn
from torch.nn import functional as F

from signaltok.layers.convolutions import Convolutions
from signaltok.objectives.masked_code import MaskedCode
from signaltok.objectives.masked_nce import MaskedNce
from signaltok.objectives.objective import Objective
from signaltok.quantizers.identity import IdentityQuantizer
from signaltok.quantizers.multiscale import MultiscaleQuantizer
from signaltok.types.batch import Batch
from signaltok.types.quantized import Quantized
from signaltok.types.reconstruction import Reconstruction
from signaltok.types.token_stack import valid_mask


def latents(*lengths: int) -> tuple[Tensor, Tensor]:
    """[b, 4, longest], and which positions are valid."""
    z = torch.randn(len(lengths), 4, max(lengths), generator=torch.Generator().manual_seed(len(lengths)))
    return z, valid_mask(torch.tensor(lengths)[:, None], (max(lengths),))


def nce(**changes) -> MaskedNce:
    plain = {"latent_dim": 4, "dim": 6, "temperature": 0.5, "distractors": 50, "ties": "mask"}
    return MaskedNce(**plain | {"context": context()} | changes)


def of(term, z: Tensor, mask: Tensor | None, quantized: Quantized) -> Tensor:
    return term(Batch(signal=z, keys=("",) * len(z)), Reconstruction(z, quantized, z, mask))


def again(term, *arguments) -> Tensor:
    """With the draws of the first step, whatever step it is."""
    fresh = copy.deepcopy(term)
    fresh.context.draws.steps.zero_()
    return of(fresh, *arguments)


def test_spans_lie_within_their_items_and_every_item_has_one():
    z, mask = latents(400, 7, 1)
    torch.manual_seed(0)
    made = context(share=0.05, span=4)
    _, hidden, _ = made(z, mask)
    assert not bool(hidden[1, 7:].any()) and not bool(hidden[2, 1:].any())
    assert bool(hidden.any(1).all())
    # Of a position 1 - (1 - share)^span: whether it lies in one of the spans that could reach it.
    assert abs(float(hidden[0].float().mean()) - (1 - 0.95**4)) < 0.07
    runs = "".join("x" if on else "." for on in hidden[0].tolist()).split(".")
    assert min(len(run) for run in runs[:-1] if run) >= 4
    only = context(share=0.0, span=4)
    assert {int(n) for n in only(*latents(50, 50, 50))[1].sum(1)} <= {1, 2, 3, 4}


@pytest.mark.parametrize("fill", ["vector", "noise"])
def test_a_hidden_latent_has_no_effect_on_its_context_and_padding_none_at_all(fill):
    z, mask = latents(30, 12)
    made = context(fill).eval()  # of the batch norm inside
    contexts, hidden, _ = copy.deepcopy(made)(z, mask)
    assert 0 < int(hidden.sum()) < int(mask.sum())
    changed = torch.where(hidden[:, None] | ~mask, 99.0, z)
    assert torch.equal(
        copy.deepcopy(made)(changed, mask)[0][mask.expand_as(contexts)], contexts[mask.expand_as(contexts)]
    )
    seen = torch.where(~hidden[:, None] & mask, z + 1, z)
    assert not torch.allclose(copy.deepcopy(made)(seen, mask)[0][0], contexts[0])
    wider = F.pad(z, (0, 9), value=7.0)
    more = valid_mask(torch.tensor([[30], [12]]), (39,))
    padded, same, _ = copy.deepcopy(made)(wider, more)
    assert torch.equal(same[:, :30], hidden) and not bool(same[:, 30:].any())
    torch.testing.assert_close(padded[1, :, :12], contexts[1, :, :12])


def test_nce_is_the_cross_entropy_of_the_own_vector_among_those_of_the_item_by_hand():
    z, mask = latents(20, 11)
    term, quantizer = nce(), random_codes()
    quantized = quantizer.eval()(z)
    value = again(term, z, mask, quantized)
    seen = copy.deepcopy(term)
    contexts, hidden, _ = seen.context(z, mask)
    each = []
    for item in range(2):
        places = hidden[item].nonzero()[:, 0].tolist()
        codes = quantized.codes[0][item]
        for t in places:
            anchor = term.to_context(contexts[item, :, t])
            scores = {
                j: F.cosine_similarity(anchor, term.to_target(quantized.z_q[item, :, j]), dim=0) / 0.5
                for j in places
                if j == t or codes[j] != codes[t]
            }
            each.append(torch.stack([*scores.values()]).logsumexp(0) - scores[t])
    torch.testing.assert_close(value, torch.stack(each).mean())


def test_equal_scores_cost_ln_of_one_more_than_the_distractors():
    z, _ = latents(40)
    term = nce(ties="keep", context=context(share=0.3))
    with torch.no_grad():
        term.to_target.weight.zero_()  # all targets are the bias
    quantized = random_codes().eval()(z)
    hidden = int(copy.deepcopy(term).context(z, None)[1].sum())
    assert hidden > 5
    torch.testing.assert_close(float(again(term, z, None, quantized).detach()), math.log(hidden), rtol=0, atol=1e-5)
    # Masked, one code for all costs nothing: what keeps codes apart is the quantizer's own diversity.
    one = Quantized(z_q=quantized.z_q[:, :, :1].expand_as(z), codes=(torch.zeros(1, 40, dtype=torch.int64),))
    assert float(again(nce(), z, None, one).detach()) == 0.0
    # Of a quantizer without codes no vector is another's equal.
    assert float(again(nce(), z, None, Quantized(z_q=z, codes=())).detach()) > 0


def test_the_gradient_of_nce_goes_to_contexts_and_to_targets():
    z, mask = latents(20, 11)
    z_q = z.clone().requires_grad_()
    z.requires_grad_()
    term = nce()
    hidden = copy.deepcopy(term).context(z, mask)[1]
    term(Batch(signal=z, keys=("", "")), Reconstruction(z, Quantized(z_q=z_q, codes=()), z, mask)).backward()
    assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in term.parameters())
    of_target, of_context = z_q.grad.abs().sum(1), z.grad.abs().sum(1)
    assert not bool(of_target[~hidden].any()) and bool(of_target[hidden].any())
    assert not bool(of_context[hidden].any()) and bool(of_context[~hidden & mask[:, 0]].any())


def test_codes_are_told_by_a_softmax_of_each_level_by_hand():
    z, mask = latents(20, 11)
    term, quantizer = MaskedCode(context=context("noise")), random_codes(2)
    term.check(quantizer)
    quantized = quantizer.eval()(z)
    value = again(term, z, mask, quantized)
    contexts, hidden, _ = copy.deepcopy(term).context(z, mask)
    each = [
        -term.heads[level](contexts[item, :, t]).log_softmax(0)[quantized.codes[level][item, t]]
        for item in range(2) for t in hidden[item].nonzero()[:, 0].tolist() for level in range(2)
    ]  # fmt: skip
    torch.testing.assert_close(value, torch.stack(each).mean())
    with torch.no_grad():
        for head in term.heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
    torch.testing.assert_close(float(again(term, z, mask, quantized).detach()), math.log(8), rtol=0, atol=1e-5)
    heads = term.heads
    term.check(quantizer)
    assert term.heads is heads, "asked again, what it has learned stays"


def test_what_is_around_hidden_codes_can_be_learned():
    """Codes that go round and round are told from their neighbours, and shuffled ones are not."""
    turns = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]).repeat(10, 1).T[None]
    torch.manual_seed(0)
    losses = {}
    for name, z in (("round", turns), ("shuffled", turns[:, :, torch.randperm(40)])):
        term, quantizer = MaskedCode(context=context(share=0.1, span=2)), random_codes()
        term.check(quantizer)
        optimizer = torch.optim.Adam(term.parameters(), lr=0.02)
        found = []
        for _ in range(120):
            optimizer.zero_grad()
            loss = of(term, z, None, quantizer(z))
            loss.backward()
            optimizer.step()
            found.append(float(loss.detach()))
        losses[name] = sum(found[-20:]) / 20
    assert losses["round"] < 0.3 * losses["shuffled"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 1.0}, r"share is one of the positions, 0 to 1, and span is 1 or more; got 1\.0 and 3"),
        ({"span": 0}, "got 0.1 and 0"),
        ({"fill": "zeros"}, "fill is 'zeros'; it is one of vector, noise"),
        (
            {"network": Convolutions(padding="same", mode="constant", norm=None).conv(1, 8, 8, 3, stride=2)},
            "the network makes 1/2 positions of one",
        ),
    ],
)
def test_impossible_contexts_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        context(**changes)


def test_what_does_not_fit_is_named_before_the_first_step():
    for term in (nce(), MaskedCode(context=context())):
        objective = Objective(terms={"masked": term}, weights={"masked": 1.0})
        with pytest.raises(ValueError, match=r"terms\.masked: context\.latent_dim is 4, but the quantizer's is 5"):
            objective.check(IdentityQuantizer(latent_dim=5))
        coarse = MultiscaleQuantizer(
            latent_dim=4,
            level=random_codes(),
            scales=[1, 2],
            shared=False,
            upsampling="nearest",
            smoothing=None,
            orthogonal=False,
        )
        with pytest.raises(ValueError, match="MultiscaleQuantizer has codes on coarser grids"):
            objective.check(coarse)
    with pytest.raises(ValueError, match="IdentityQuantizer has no codes that could be told"):
        MaskedCode(context=context()).check(IdentityQuantizer(latent_dim=4))
    nce().check(IdentityQuantizer(latent_dim=4))
    with pytest.raises(ValueError, match="dim is 1; cosines need 2 or more"):
        nce(dim=1)
    with pytest.raises(ValueError, match="spans go over one axis, but the latent has 2; mask sounds"):
        context()(torch.zeros(1, 4, 3, 3), None)
