"""What distinguishes audio_fsq, on what is built."""

import torch
from experiments import settings

from signaltok.objectives.spectral import MultiScaleMel
from signaltok.quantizers.finite_scalar import FiniteScalarQuantizer
from signaltok.quantizers.grouped import GroupedQuantizer
from signaltok.training.assemble import build_tokenizer
from signaltok.training.config.build import build


def test_eight_groups_are_rounded_fifty_times_a_second():
    tokenizer = build_tokenizer(settings("audio_fsq"))
    quantizer = tokenizer.quantizer
    assert isinstance(quantizer, GroupedQuantizer) and not quantizer.loss_names()
    assert all(isinstance(group, FiniteScalarQuantizer) for group in quantizer.groups)
    assert quantizer.codebook_sizes == (1000,) * 8 and tokenizer.strides == ((320,),) * 8
    assert tokenizer.sample_rate == 16000 and tokenizer.encoder.axes == 1
    signal = torch.rand(1, 1, 16001) * 2 - 1
    assert [tuple(level.shape) for level in tokenizer.encode(signal).levels] == [(1, 51)] * 8


def test_its_mel_term_looks_through_dac_s_seven_windows():
    term = build(settings("audio_fsq")["objective"]).terms["mel"]
    assert isinstance(term, MultiScaleMel)
    assert term.spectra.windows == [32, 64, 128, 256, 512, 1024, 2048]
    assert term.spectra.bins == [5, 10, 20, 40, 80, 160, 320]
    assert (term.spectra.linear_weight, term.spectra.guard, term.spectra.sample_rate) == (0.0, 1e-5, 16000)
