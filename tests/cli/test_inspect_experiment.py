from signaltok.cli.main import main


def test_an_experiment_is_shown_without_memory(capsys):
    assert main(["inspect", "experiment/quickstart"]) == 0
    out = capsys.readouterr().out
    assert "8×8" in out and "1,024 × 8" in out and "VectorQuantizer" in out
    assert main(["inspect", "experiment/image_patch"]) == 0
    assert "continuous tokens" in capsys.readouterr().out


def test_an_experiment_that_is_not_there_is_named(capsys):
    assert main(["inspect", "experiment/quikstart"]) == 1
    assert "there is no" in capsys.readouterr().err
