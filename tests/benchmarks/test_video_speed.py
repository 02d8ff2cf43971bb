"""The machinery of the benchmark of video encoding; its figures are made by the command itself."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import torch
import video_speed


def test_frames_go_on_from_the_beginning_where_the_film_ends(monkeypatch):
    kept = []

    def short(path, rate, count):
        kept.append(path)
        yield from torch.arange(5.0).view(1, 5, 1, 1).split(count, dim=1)

    monkeypatch.setattr(video_speed, "read_pieces", short)
    monkeypatch.setattr(video_speed, "PIECE", 2)
    found = torch.cat(list(video_speed.frames(8)), dim=1)
    assert found.flatten().tolist() == [0, 1, 2, 3, 4, 0, 1, 2] and len(kept) == 2


def test_it_prints_speed_and_memory_of_each_experiment(capsys, monkeypatch):
    monkeypatch.setattr(video_speed, "read_pieces", lambda *_: iter([torch.zeros(3, 16, 16, 24)]))
    options = ["--experiments", "video_haar", "--seconds", "1", "--minutes", "0.05,0.1", "--rounds", "1", "--json"]
    video_speed.main(options)
    speed, memory = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert speed["experiment"] == "video_haar" and speed["frames"] == 12
    assert min(speed[way] for way in ("exact", "free", "decoding")) > 0
    assert memory["experiment"] == "video_haar" and memory["megabytes"].keys() == {"0.05", "0.1"}
