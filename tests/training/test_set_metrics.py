"""A run with distances between sets of pictures."""

import json

import pytest

from signaltok.training.run import run


@pytest.mark.slow
def test_a_run_writes_the_protocol_of_each_number(tiny, tmp_path):
    settings = tiny(
        "metrics=image_perceptual", "metrics.fd_effnet.extractor.size=32", "trainer.max_steps=2", "run.report=true",
        "data.size=32",
    )  # fmt: skip
    figures = run(settings, command=["test"], overrides=[])
    protocols = json.loads((tmp_path / "run/protocols.json").read_text())
    assert protocols.keys() == {f"{s}/{name}" for s in ("test", "val") for name in ("fd_effnet", "kid_effnet")}
    assert figures.keys() >= protocols.keys()
    assert protocols["test/fd_effnet"] == (
        "Fréchet distance of Gaussians (unbiased covariances); EfficientNet-Lite0, 1,280 pooled features, resized to "
        "32 (bilinear, antialiased), from uint8; against the 2 originals of the same split"
    )
    assert protocols["test/fd_effnet"] in (tmp_path / "run/report.html").read_text()
