import copy
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import vector_quantize_pytorch
import yaml
from torch import nn

from signaltok.quantizers.library import REFUSED, SETTLED, LibraryQuantizer
from signaltok.quantizers.library_processes import codebooks

CONFIGS = Path(__file__).parents[2] / "configs"
DIM = 8
VECTOR = {"codebook_size": 16, "decay": 0.8, "kmeans_init": False, "threshold_ema_dead_code": 0}
SUPPORTED = {
    "VectorQuantize": VECTOR,
    "ResidualVQ": VECTOR | {"num_quantizers": 3},
    "GroupedResidualVQ": VECTOR | {"num_quantizers": 3, "groups": 2},
    "SimVQ": {"codebook_size": 16},
    "ResidualSimVQ": {"codebook_size": 16, "num_quantizers": 3},
    "FSQ": {"levels": [5, 4, 3]},
    "ResidualFSQ": {"levels": [5, 4, 3], "num_quantizers": 3},
    "GroupedResidualFSQ": {"levels": [5, 4, 3], "num_quantizers": 3, "groups": 2},
    "FSP": {"levels": [5, 4, 3]},
    "LFQ": {"codebook_size": 16},
    "ResidualLFQ": {"codebook_size": 16, "num_quantizers": 3},
    "GroupedResidualLFQ": {"codebook_size": 16, "num_quantizers": 3, "groups": 2},
    "LatentQuantize": {"levels": [5, 4, 3]},
}
EXCEPTIONS = {
    "HierarchicalVQ": "levels of fixed grids, whatever the size of the latent",
    "RandomProjectionQuantizer": "codes are targets, nothing decodes them",
    "BinaryMapper": "one-hot vectors instead of a latent, sampled in eval mode",
    "EvoLFQ": "a whole autoencoder around LFQ",
    "Sequential": "a container",
}
VARIANTS = [
    ("VectorQuantize", VECTOR | {"heads": 2, "codebook_dim": 3}),
    ("VectorQuantize", VECTOR | {"heads": 2, "codebook_dim": 3, "separate_codebook_per_head": True}),
    ("VectorQuantize", VECTOR | {"use_cosine_sim": True, "codebook_dim": 4, "rotation_trick": False}),
    ("VectorQuantize", VECTOR | {"orthogonal_reg_weight": 10.0, "ema_update": False, "learnable_codebook": True}),
    ("VectorQuantize", VECTOR | {"kmeans_init": True, "threshold_ema_dead_code": 2}),
    ("ResidualVQ", VECTOR | {"codebook_size": [16, 8], "codebook_dim": 4}),
    ("ResidualVQ", VECTOR | {"num_quantizers": 3, "beam_size": 2, "implicit_neural_codebook": False}),
    ("ResidualVQ", VECTOR | {"num_quantizers": 2, "shared_codebook": True}),
    ("FSQ", {"levels": [5, 4, 3], "num_codebooks": 2}),
    ("LFQ", {"codebook_size": 16, "num_codebooks": 2, "spherical": True}),
    ("ResidualLFQ", {"codebook_size": 16, "num_quantizers": 3, "spherical": True, "orthogonal_rotation": True}),
    ("LatentQuantize", {"levels": [5, 4, 3], "num_codebooks": 2}),
]


def latent(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, DIM, 4, 5, generator=torch.Generator().manual_seed(seed))


def public_modules() -> set[str]:
    found: dict[str, object] = {}
    exec("from vector_quantize_pytorch import *", found)
    return {name for name, value in found.items() if inspect.isclass(value) and issubclass(value, nn.Module)}


def test_every_public_quantizer_is_supported_or_named_with_a_reason() -> None:
    assert public_modules() == set(SUPPORTED) | set(EXCEPTIONS)
    assert all(name in (LibraryQuantizer.__doc__ or "") for name in public_modules())


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_the_others_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        LibraryQuantizer(latent_dim=DIM, name=name, options={})


@pytest.mark.parametrize(("name", "options"), [*SUPPORTED.items(), *VARIANTS])
def test_contract(name: str, options: dict) -> None:
    torch.manual_seed(0)
    quantizer = LibraryQuantizer(latent_dim=DIM, name=name, options=options).train()
    z = latent().requires_grad_()
    learned = quantizer(z)
    assert set(learned.losses) == quantizer.loss_names()
    assert all(loss.ndim == 0 and loss.isfinite() for loss in learned.losses.values())
    (learned.z_q.square().mean() + sum(learned.losses.values())).backward()
    assert z.grad is not None and z.grad.isfinite().all() and z.grad.abs().sum() > 0
    for parameter_name, parameter in quantizer.named_parameters():
        assert not parameter.requires_grad or parameter.grad is not None, parameter_name

    before = {key: value.clone() for key, value in quantizer.state_dict().items()}
    codes_in_training = quantizer.encode(z.detach())
    quantizer.eval()
    quantized = quantizer(z.detach())
    assert torch.equal(quantized.z_q, quantizer.decode(quantizer.encode(z.detach())))
    assert quantized.z_q.shape == z.shape
    assert len(quantized.codes) == len(quantizer.codebook_sizes) == len(learned.codes)
    for level, again, trained, size in zip(
        quantized.codes, codes_in_training, learned.codes, quantizer.codebook_sizes, strict=True
    ):
        assert torch.equal(level, again)
        for codes in (level, trained):
            assert codes.dtype == torch.int64 and codes.shape == (2, 4, 5)
            assert codes.min() >= 0 and codes.max() < size
    assert all(torch.equal(value, before[key]) for key, value in quantizer.state_dict().items())


@pytest.mark.parametrize(("name", "options"), [*SUPPORTED.items(), *VARIANTS])
def test_decoded_vectors_are_those_the_library_itself_gives(name: str, options: dict) -> None:
    torch.manual_seed(0)
    quantizer = LibraryQuantizer(latent_dim=DIM, name=name, options=options).train()
    quantizer(latent())
    quantizer.eval()
    rows = latent(1).flatten(2).transpose(1, 2)
    output = quantizer.module(rows.transpose(1, 2) if name == "LatentQuantize" else rows)[0]
    expected = (output if name == "LatentQuantize" else output.transpose(1, 2)).unflatten(2, (4, 5))
    assert torch.allclose(quantizer(latent(1)).z_q, expected, atol=1e-5)


@pytest.mark.parametrize("name", SUPPORTED)
def test_padding_changes_neither_statistics_nor_losses_nor_codes(name: str) -> None:
    results = []
    for fill in (0.0, 100.0):
        torch.manual_seed(0)
        quantizer = LibraryQuantizer(latent_dim=DIM, name=name, options=SUPPORTED[name]).train()
        mask = torch.ones(2, 1, 4, 5, dtype=torch.bool)
        mask[1, :, 2:] = False
        torch.manual_seed(1)
        learned = quantizer(latent().masked_fill(~mask, fill), mask)
        results.append((learned, quantizer.state_dict()))
        assert not learned.z_q[1, :, 2:].any() and not any(level[1, 2:].any() for level in learned.codes)
    (one, state), (other, other_state) = results
    assert torch.equal(one.z_q, other.z_q)
    assert all(torch.equal(a, b) for a, b in zip(one.codes, other.codes, strict=True))
    assert all(torch.equal(one.losses[key], other.losses[key]) for key in one.losses)
    assert all(torch.equal(state[key], other_state[key]) for key in state)


@pytest.mark.parametrize("name", ["ResidualVQ", "GroupedResidualVQ", "ResidualSimVQ", "ResidualLFQ", "ResidualFSQ"])
def test_dropped_levels_are_a_mask_and_never_a_code(name: str) -> None:
    torch.manual_seed(0)
    options = SUPPORTED[name] | {"quantize_dropout": True}
    quantizer = LibraryQuantizer(latent_dim=DIM, name=name, options=options).train()
    active = []
    for _ in range(8):
        learned = quantizer(latent())
        assert learned.active is not None and learned.active.shape == (2, len(quantizer.codebook_sizes))
        assert all(level.min() >= 0 for level in learned.codes)
        active.append(learned.active)
    assert not torch.stack(active).all() and torch.stack(active)[..., 0].all()


def test_draws_come_from_the_module_s_own_state_and_nothing_is_left_on_the_library() -> None:
    options = VECTOR | {
        "kmeans_init": True,
        "threshold_ema_dead_code": 2,
        "num_quantizers": 3,
        "quantize_dropout": True,
    }
    torch.manual_seed(0)
    whole = LibraryQuantizer(latent_dim=DIM, name="ResidualVQ", options=options).train()
    attributes = [set(vars(book)) for book in codebooks(whole.module)]
    whole(latent())
    assert [set(vars(book)) for book in codebooks(whole.module)] == attributes
    resumed = copy.deepcopy(whole)
    for step in range(1, 4):
        one = whole(latent(step))
        torch.rand(step)
        other = resumed(latent(step))
        assert torch.equal(one.z_q, other.z_q) and torch.equal(one.active, other.active)
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())


def test_dead_codes_beyond_the_rows_of_a_batch_wait() -> None:
    torch.manual_seed(0)
    options = VECTOR | {"codebook_size": 64, "threshold_ema_dead_code": 2}
    quantizer = LibraryQuantizer(latent_dim=DIM, name="VectorQuantize", options=options).train()
    before = quantizer.module.codebook.clone()
    z = latent()
    quantizer(z)
    rows = z.flatten(2).transpose(1, 2).flatten(0, 1)
    started = (quantizer.module.codebook[:, None] == rows).all(2)
    assert int(started.any(1).sum()) == 40 and started.any(0).all(), "each of the 40 rows once"
    assert not torch.equal(before, quantizer.module.codebook)


def test_a_batch_without_valid_positions_is_no_error_and_learns_nothing() -> None:
    for name in ("VectorQuantize", "ResidualVQ", "FSQ", "SimVQ"):
        torch.manual_seed(0)
        quantizer = LibraryQuantizer(latent_dim=DIM, name=name, options=SUPPORTED[name]).train()
        before = {key: value.clone() for key, value in quantizer.state_dict().items()}
        learned = quantizer(latent().requires_grad_(), torch.zeros(2, 1, 4, 5, dtype=torch.bool))
        assert not learned.z_q.any() and all(loss.item() == 0 for loss in learned.losses.values())
        assert all(torch.equal(value, before[key]) for key, value in quantizer.state_dict().items())


def test_float64_stays_float64() -> None:
    torch.manual_seed(0)
    options = VECTOR | {"threshold_ema_dead_code": 2, "kmeans_init": True}
    quantizer = LibraryQuantizer(latent_dim=DIM, name="VectorQuantize", options=options).double().train()
    z = latent().double()
    assert quantizer(z).z_q.dtype == torch.float64
    codes = quantizer(z).codes[0]
    assert not torch.equal(quantizer.module.codebook, quantizer.module.codebook.float().double())
    assert int(codes.max()) < 16


def test_fewer_levels_decode_where_the_class_is_residual() -> None:
    torch.manual_seed(0)
    for name in ("ResidualVQ", "GroupedResidualVQ", "ResidualSimVQ", "ResidualFSQ", "GroupedResidualLFQ"):
        quantizer = LibraryQuantizer(latent_dim=DIM, name=name, options=SUPPORTED[name]).eval()
        codes = quantizer.encode(latent())
        assert quantizer.decode(codes[:2]).shape == latent().shape
        assert not torch.equal(quantizer.decode(codes[:2]), quantizer.decode(codes))
    heads = LibraryQuantizer(latent_dim=DIM, name="VectorQuantize", options=VECTOR | {"heads": 2}).eval()
    with pytest.raises(ValueError, match="2 levels, got 1"):
        heads.decode(heads.encode(latent())[:1])


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("VectorQuantize", {"codebok_size": 16}, "codebok_size"),
        ("ResidualVQ", VECTOR | {"num_quantizers": 2, "decai": 0.9}, "decai"),
        ("GroupedResidualLFQ", {"codebook_size": 16, "num_quantizers": 2, "entropy_weight": 1}, "entropy_weight"),
        ("VectorQuantize", VECTOR | {"dim": 8}, "dim out: it is latent_dim"),
        ("VectorQuantize", VECTOR | {"sync_codebook": True}, "sync_codebook"),
        ("VectorQuantize", VECTOR | {"affine_param": True}, "affine_param=True"),
        ("VectorQuantize", VECTOR | {"commitment_weight": 0.25}, r"objective\.weights\.commitment=0\.25"),
        ("VectorQuantize", VECTOR | {"vq_bridge": nn.Identity()}, "plain data"),
        ("LFQ", {"codebook_size": 15}, "power of 2"),
        ("ResidualFSQ", {"levels": [5, 3], "num_quantizers": 2, "preserve_symmetry": True}, "preserve_symmetry"),
        ("Nothing", {}, "Nothing"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        LibraryQuantizer(latent_dim=DIM, name=name, options=options)


@pytest.mark.parametrize(("fraction", "times"), [(0.0, 3), (1.0, 1)])
def test_the_residual_gradient_is_passed_on_once_a_level_or_once(fraction: float, times: int) -> None:
    torch.manual_seed(0)
    options = SUPPORTED["ResidualVQ"] | {"rotation_trick": False, "quant_grad_frac": fraction}
    quantizer = LibraryQuantizer(latent_dim=DIM, name="ResidualVQ", options=options).train()
    z = latent().requires_grad_()
    (gradient,) = torch.autograd.grad(quantizer(z).z_q, z, latent(1))
    assert torch.allclose(gradient, times * latent(1))


def test_an_untrained_k_means_codebook_is_not_initialised_by_encoding() -> None:
    options = VECTOR | {"kmeans_init": True}
    quantizer = LibraryQuantizer(latent_dim=DIM, name="VectorQuantize", options=options).eval()
    assert not quantizer.encode(latent())[0].any()
    assert not quantizer.module._codebook.initted
    quantizer.train()(latent())
    assert quantizer.module._codebook.initted and quantizer.eval().encode(latent())[0].any()


def test_the_table_is_what_is_decoded() -> None:
    torch.manual_seed(0)
    quantizer = LibraryQuantizer(latent_dim=DIM, name="VectorQuantize", options=VECTOR | {"codebook_dim": 4}).eval()
    (vectors,) = quantizer.code_vectors()
    (codes,) = quantizer.encode(latent())
    assert vectors.searched.shape == (16, 4)
    assert torch.allclose(vectors.decoded[codes].movedim(-1, 1), quantizer.decode((codes,)), atol=1e-6)


def test_the_yaml_spells_out_the_defaults_of_the_library() -> None:
    config = yaml.safe_load((CONFIGS / "quantizer" / "library.yaml").read_text())["quantizer"]
    signature = inspect.signature(getattr(vector_quantize_pytorch, config["name"])).parameters
    derived = {"rotation_trick": True, "ema_update": True, "learnable_codebook": False}
    unlisted = set(signature) - set(config["options"]) - set(SETTLED) - set(REFUSED)
    assert unlisted == {"vq_bridge", "in_place_codebook_optimizer"}
    for key, value in config["options"].items():
        default = signature[key].default
        assert key == "codebook_size" or value == derived.get(key, default), key
    quantizer = LibraryQuantizer(latent_dim=DIM, name=config["name"], options=config["options"])
    assert quantizer.codebook_sizes == (1024,) and quantizer.loss_names() == {"commitment"}


def test_importing_the_adapter_does_not_import_the_library() -> None:
    code = "import sys, signaltok.quantizers.library; sys.exit('vector_quantize_pytorch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_library_is_the_one_the_adapter_was_written_for() -> None:
    assert {"all_reduce_fn", "kmeans_all_reduce_fn", "sample_fn", "replace_sample_fn", "use_ddp"} <= set(
        vars(vector_quantize_pytorch.VectorQuantize(dim=4, codebook_size=4)._codebook)
    )
