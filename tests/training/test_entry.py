"""What train.py and eval.py say on the screen: our warnings, whatever Hydra thinks of logging."""

import logging

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.utils import configure_log
from tiny_runs import ROOT

from signaltok.training.entry import prepare, user_errors


@pytest.mark.parametrize("name", ["train", "eval"])
def test_hydra_leaves_our_warnings_alone(name):
    log = logging.getLogger("signaltok.data.transcribed")
    prepare()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        hydra = compose(name, return_hydra_config=True).hydra
    for settings in (hydra.hydra_logging, hydra.job_logging):
        configure_log(settings, verbose_config=False)
    assert log.isEnabledFor(logging.WARNING)


def test_a_warning_is_a_line_on_stderr(capsys):
    with user_errors():
        logging.getLogger("signaltok.data.transcribed").warning("%d of them are left out", 3)
    logging.getLogger("signaltok.data.transcribed").warning("this one is nobody's")
    assert capsys.readouterr().err == "warning: 3 of them are left out\n"
