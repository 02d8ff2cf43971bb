"""What the documents tell a reader to do works."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_the_one_page_trains(monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "one_page.md").read_text(), re.DOTALL)
    assert code.count("\n") < 100
    names: dict[str, object] = {}
    exec(compile(code, "docs/one_page.md", "exec"), names)
    losses = names["losses"]
    assert isinstance(losses, list) and len(losses) == 20
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_the_page_of_streams_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "streams.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, "docs/streams.md", "exec"), names)
    assert len(names["sampled"]) == 2 + 4 + 98 + 2


def test_every_make_target_of_the_readme_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert named and named <= targets


def test_every_experiment_of_the_readme_exists():
    experiments = {path.stem for path in (ROOT / "configs" / "experiment").glob("*.yaml")}
    named = set(re.findall(r"experiment=(\w+)", (ROOT / "README.md").read_text()))
    assert named and named <= experiments


def test_readme_pictures_are_there():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / path).is_file()


def test_every_measurement_of_the_log_names_its_command():
    entries = re.split(r"^## ", (ROOT / "docs" / "log.md").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) > 5
    for entry in entries:
        title = entry.splitlines()[0]
        assert re.match(r"\d{4}-\d{2}-\d{2} · ", title), f"{title}: an entry begins with its date"
        assert re.search(r"`(?:OMP_NUM_THREADS=1 )?(?:python|make|signaltok) [^`]+`", entry), (
            f"{title} names no command"
        )


def test_every_command_of_the_docs_exists():
    text = "".join((ROOT / name).read_text() for name in ("README.md", "docs/log.md", "docs/results.md"))
    for path in set(re.findall(r"python ([\w/]+\.py)", text)):
        assert (ROOT / path).is_file(), f"the documents name {path}"
    subjects = set(re.findall(r"benchmarks/speed\.py (\w+)", text))
    assert subjects and all((ROOT / f"benchmarks/{subject}_speed.py").is_file() for subject in subjects)


def test_every_experiment_has_a_row_of_results():
    lines = (ROOT / "docs" / "results.md").read_text().splitlines()
    for path in (ROOT / "configs" / "experiment").glob("*.yaml"):
        (row,) = [line for line in lines if line.startswith(f"| `{path.stem}` |")]
        cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
        assert cells[0] == f"`python train.py experiment={path.stem}`"
        # A row has the figures of a complete run, and then its file says what to expect, or it says this and nothing.
        unrun = "# expected: not run yet" in path.read_text().splitlines()
        assert (cells[1] == "not run yet" and set(cells[2:]) == {"–"}) == unrun, f"{path.stem}: file and row disagree"
        assert unrun or any(character.isdigit() for character in "".join(cells[2:]))


@pytest.mark.slow
def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALTOK_TOKENIZER", str(ROOT / "tests" / "golden" / "tokenizer_v1"))
    script, out = ROOT / "notebooks" / "01_quickstart.py", tmp_path / "run.ipynb"
    command = [sys.executable, "-m", "jupytext", "--to", "notebook", "--execute", "--output", str(out), str(script)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    text = (tmp_path / "run.ipynb").read_text()
    assert text.count("image/png") == 3
    assert "level(s), codebook sizes (64, 64)" in text


def test_the_notebook_pair_agrees():
    import jupytext

    script = jupytext.read(ROOT / "notebooks" / "01_quickstart.py")
    paired = jupytext.read(ROOT / "notebooks" / "01_quickstart.ipynb")
    assert [cell.source for cell in script.cells] == [cell.source for cell in paired.cells]
