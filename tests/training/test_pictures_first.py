"""run.pictures_until: single frames, then the video; a run against an adversary resumes to the bit."""

import pytest
import torch
from killing import differences
from tiny_runs import VIDEO, VIDEO_ADVERSARY, composed

from signaltok.training.config.resolve import plain
from signaltok.training.module import TokenizerModule
from signaltok.training.pictures_first import single_frames
from signaltok.training.run import resumed_settings, run
from signaltok.types.batch import Batch


def test_each_cell_s_frame_becomes_a_video_of_its_own_and_padding_none():
    signal = torch.rand(2, 3, 9, 4, 6)
    batch = Batch(signal=signal, keys=("a", "b"), text=("x", "y"), labels=torch.tensor([3, 4]))
    found = single_frames(batch, 4)
    assert found.signal.shape == (6, 3, 1, 4, 6) and found.lengths is None
    assert found.keys == ("a#0", "a#4", "a#8", "b#0", "b#4", "b#8") and found.text == ("x",) * 3 + ("y",) * 3
    assert torch.equal(found.signal[4, :, 0], signal[1, :, 4]) and found.labels.tolist() == [3, 3, 3, 4, 4, 4]
    padded = single_frames(Batch(signal=signal, keys=("a", "b"), lengths=torch.tensor([[9, 4, 6], [4, 2, 5]])), 4)
    assert padded.keys == ("a#0", "a#4", "a#8", "b#0")
    assert padded.lengths.tolist() == [[1, 4, 6]] * 3 + [[1, 2, 5]]


def settings(folder, *more: str) -> dict:
    places = (f"paths.output_dir={folder}", f"paths.log_dir={folder.parent}", "paths.root_dir=.")
    length = ("trainer.max_steps=5", "trainer.val_check_interval=5", "run.evaluate=false", *VIDEO_ADVERSARY)
    saved = "callbacks.model_checkpoint.every_n_train_steps=2"
    return plain(composed("experiment=video_inflated", *VIDEO, *places, *length, saved, *more))


@pytest.mark.parametrize(
    "broken_at", [2, 3]
)  # the pictures end before batch 2: once in the resumed part, once before it
def test_a_run_sees_pictures_then_videos_and_goes_on_where_it_was_broken_off(tmp_path, monkeypatch, broken_at):
    seen = []
    reconstruct = TokenizerModule.reconstruct
    monkeypatch.setattr(
        TokenizerModule, "reconstruct",
        lambda module, batch: (seen.append(tuple(batch.signal.shape)), reconstruct(module, batch))[1],
    )  # fmt: skip
    run(settings(tmp_path / "whole"), command=["test"], overrides=[])
    assert seen == [(4, 3, 1, 16, 16)] * 2 + [(2, 3, 5, 16, 16)] * 3
    start = TokenizerModule.on_train_batch_start

    def stop(module, batch, batch_idx):
        if module.batches_seen == broken_at:
            raise RuntimeError("the machine went down")
        return start(module, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TokenizerModule, "on_train_batch_start", stop)
        with pytest.raises(RuntimeError, match="the machine went down"):
            run(settings(tmp_path / "broken"), command=["test"], overrides=[])
    run(resumed_settings(tmp_path / "broken", []), command=["test"], overrides=[])
    assert [text for text in differences(tmp_path / "whole", tmp_path / "broken") if "/seconds" not in text] == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["run.pictures_until=1.0"], r"run\.pictures_until is 1\.0; it is a share"),
        (["encoder=frames", "decoder=frames", "encoder.pictures.widths=[8,8]", "decoder.pictures.widths=[8,8]"],
         "FramesEncoder has no layers along time"),
    ],
)  # fmt: skip
def test_what_cannot_begin_as_pictures_is_refused(tmp_path, overrides, message):
    sizes = [entry for entry in VIDEO if not entry.startswith(("encoder", "decoder"))]
    places = (f"paths.output_dir={tmp_path / 'run'}", f"paths.log_dir={tmp_path}", "paths.root_dir=.")
    chosen = plain(composed("experiment=video_inflated", *sizes, *places, *overrides))
    with pytest.raises(ValueError, match=message):
        run(chosen, command=["test"], overrides=[])


def test_pictures_cannot_begin_as_pictures(tiny):
    with pytest.raises(ValueError, match=r"pictures_until is 0\.5, but this tokenizer's signals have 2 axes"):
        run(tiny("run.pictures_until=0.5"), command=["test"], overrides=[])
