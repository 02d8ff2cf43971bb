from signaltok.cli.main import main


def test_an_experiment_is_shown_without_memory(capsys):
    assert main(["inspect", "experiment/quickstart"]) == 0
    out = capsys.readouterr().out
    assert "8×8" in out and "1,024 × 8" in out and "VectorQuantizer" in out
    assert main(["inspect", "experiment/image_patch"]) == 0
    assert "continuous tokens" in capsys.readouterr().out


def test_a_language_model_is_shown(capsys):
    assert main(["inspect", "experiment/lm_tiny"]) == 0
    shown = capsys.readouterr().out
    assert "GPT: context 256, width 128, depth 2, heads 4" in shown and "stores/photos" in shown


def test_a_sequence_is_shown(capsys):
    assert main(["inspect", "experiment/image_titok"]) == 0
    assert "32" in capsys.readouterr().out


def test_a_sound_is_shown_with_its_rates(capsys):
    assert main(["inspect", "experiment/paper/audio_encodec"]) == 0
    shown = capsys.readouterr().out
    for said in ("24,000 samples, 1 s", "1,024 × 128", "7,425,792 parameters", "24.00 kb/s", "75, 75"):
        assert said in shown
    assert main(["inspect", "experiment/paper/audio_snac"]) == 0
    shown = capsys.readouterr().out
    assert "11.7188, 23.4375, 46.875" in shown and "10, 19, 38" in shown and "0.98 kb/s" in shown


def test_an_experiment_that_is_not_there_is_named(capsys):
    assert main(["inspect", "experiment/quikstart"]) == 1
    assert "there is no" in capsys.readouterr().err
