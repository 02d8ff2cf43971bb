import json
from pathlib import Path

import pytest

from signaltok.cli.main import main
from signaltok.data.image_folder import ImageFolder
from signaltok.training.rerun import provenance_differences, repeated_settings, rerun, same
from signaltok.training.run import run


def change(path: Path, **values):
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **values}))


@pytest.fixture
def old(tiny, tmp_path) -> Path:
    settings = tiny("trainer.max_steps=3", "logger=csv", folder="old")
    run(settings, command=["python", "train.py"], overrides=["experiment=tiny"])
    return tmp_path / "old"


def test_a_run_is_repeated_to_every_digit_and_a_difference_is_named(old, tmp_path, capsys):
    assert main(["rerun", str(old), "--out", str(tmp_path / "new")]) == 0
    out, err = capsys.readouterr()
    assert "equal to every digit" in out and "fingerprint" not in err
    before, after = (json.loads((tmp_path / name / "summary.json").read_text()) for name in ("old", "new"))
    figures = [name for name in before if name.startswith(("test/", "val/"))]
    assert "test/psnr" in figures and "val/ssim" in figures
    assert all(before[name] == after[name] for name in figures)
    provenance = json.loads((tmp_path / "new" / "provenance.json").read_text())
    assert provenance["repeats"] == str(old)
    assert provenance["command"] == f"signaltok rerun {old} --out {tmp_path / 'new'}"
    assert provenance["overrides"] == ["experiment=tiny"]
    config = (tmp_path / "new" / "config.yaml").read_text()
    assert str(tmp_path / "new") in config and str(old) not in config

    change(old / "summary.json", **{"test/psnr": before["test/psnr"] + 0.5})
    recorded = json.loads((old / "provenance.json").read_text())
    change(old / "provenance.json", git={"commit": "0123", "dirty": False}, machine={"cores": 999})
    change(old / "provenance.json", versions={**recorded["versions"], "torch": "0.1"})
    (tmp_path / "link").symlink_to(old)
    assert main(["rerun", str(tmp_path / "link"), "--out", str(tmp_path / "newer")]) == 1
    out, err = capsys.readouterr()
    assert "different  test/psnr\n" in out and "-0.5" in out
    assert "warning: commit was 0123, is " in err and "warning: version of torch was 0.1, is " in err
    assert "differs    machine's cores was 999, is " in out and "cores" not in err


def test_the_pictures_are_hashed_once(old, tmp_path, monkeypatch):
    hashed = []
    original = ImageFolder.fingerprint
    monkeypatch.setattr(ImageFolder, "fingerprint", lambda source: hashed.append(1) or original(source))
    rerun(old, out=tmp_path / "new", other_data=False, command=["test"], warn=lambda _: None)
    assert hashed == [1]


def test_other_data_are_an_error_unless_wanted(old, tmp_path, capsys):
    change(old / "provenance.json", data={"fingerprint": "contents:other"})
    assert main(["rerun", str(old), "--out", str(tmp_path / "new")]) == 1
    assert "the data are not those of" in capsys.readouterr().err and not (tmp_path / "new").exists()
    warned = []
    found = rerun(old, out=tmp_path / "new", other_data=True, command=["test"], warn=warned.append)
    assert found.different == [] and found.new == tmp_path / "new"
    assert any("data fingerprint was contents:other" in text for text in warned)


def test_what_cannot_be_repeated_says_why(old, tmp_path):
    def again(out="new"):
        rerun(old, out=tmp_path / out, other_data=False, command=["test"], warn=pytest.fail)

    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"full exists already; give a new folder by --out"):
        again("full")
    config = (old / "config.yaml").read_text()
    (old / "config.yaml").write_text(config.replace("init_from: null", f"init_from: {tmp_path / 'gone'}"))
    with pytest.raises(ValueError, match=r"started from the weights of .*gone \(run\.init_from\), which is not there"):
        again()
    (old / "config.yaml").write_text(config)
    (old / "summary.json").unlink()
    with pytest.raises(ValueError, match=r"is not finished: it has no summary\.json"):
        again()
    change(old / "provenance.json", evaluated="somewhere", command="python eval.py run.path=somewhere")
    with pytest.raises(ValueError, match=r"is an evaluation; repeat it by its command: python eval\.py"):
        again()
    (old / "config.yaml").unlink()
    with pytest.raises(ValueError, match=r"is not a run: it has no config\.yaml"):
        again()
    assert not (tmp_path / "new").exists()


def test_a_repeated_run_is_a_run_of_its_own(tiny, tmp_path):
    settings = tiny("logger=wandb", "logger.wandb.id=the-old-one")
    settings["run"]["resume"] = "somewhere"
    from signaltok.training.run_folder import open_new

    open_new(tmp_path / "run", settings, [], {}, None)
    repeated = repeated_settings(tmp_path / "run", None)
    assert repeated["run"]["resume"] is None
    assert repeated["logger"]["wandb"]["id"] != "the-old-one"
    place = Path(repeated["paths"]["output_dir"])
    assert place.parent == tmp_path / "test" / "runs"
    assert repeated["logger"]["wandb"]["save_dir"] == str(place)
    assert repeated["callbacks"]["best_checkpoint"]["path"] == str(place / "checkpoints" / "best.ckpt")


def test_how_provenance_differs():
    old = {
        "git": {"commit": "a", "dirty": True},
        "versions": {"torch": "1", "numpy": "2"},
        "data": {"fingerprint": "x"},
        "machine": {"cores": 2, "gpus": []},
    }
    new = {
        "git": {"commit": "b", "dirty": True},
        "versions": {"torch": "1", "einops": "3"},
        "data": {"fingerprint": "y"},
        "machine": {"cores": 4, "gpus": []},
    }
    expected = [
        "commit was a, is b",
        "dirty is true of both: uncommitted changes may differ",
        "version of einops was not recorded, is 3",
        "version of numpy was 2, is not recorded",
        "data fingerprint was x, is y",
    ]
    assert provenance_differences(old, new, machine=False) == expected
    assert provenance_differences(old, new, machine=True) == [*expected, "machine's cores was 2, is 4"]
    clean = {**old, "git": {"commit": "a", "dirty": False}}
    assert provenance_differences(clean, clean, machine=True) == []
    assert provenance_differences(clean, {**clean, "git": None}, machine=False) == [
        "commit was a, is not recorded", "dirty was false, is not recorded",
    ]  # fmt: skip


def test_equal_means_every_digit():
    assert same(0.1, 0.1) and same(float("nan"), float("nan"))
    assert not same(0.1, 0.1 + 2**-56) and not same(None, 0.0) and not same(1.0, None)
