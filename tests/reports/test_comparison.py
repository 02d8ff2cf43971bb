import json
import math
import statistics

import pytest
from small_runs import write_run

from signaltok.reports.comparison import compare, estimate_text
from signaltok.reports.found_runs import codebook_sizes, find_runs, read_run
from signaltok.reports.setting import canonical, protocol, setting, text_of


def compared(*folders, metric=None, ranked=True):
    return compare([read_run(folder) for folder in folders], metric=metric, ranked=ranked)


def sweep(root):
    """Two settings of the learning rate: 0.001 with seeds 0, 1, 2 and 0.002 with seed 0 alone."""
    for number, psnr in enumerate((20.0, 21.0, 23.0)):
        write_run(root / str(number), psnr=psnr, changes={"seed": number})
    write_run(root / "10", psnr=25.0, changes={"optimization.learning_rate": 0.002, "tags": ["b"], "task_name": "x"})
    return root


def test_runs_are_grouped_over_seeds_and_ranked(tmp_path):
    runs, unfinished, empty = find_runs([sweep(tmp_path / "sweep")])
    assert [run.name for run in runs] == ["0", "1", "2", "10"] and not unfinished and not empty
    found = compared(*runs)
    assert found.metric == "test/psnr" and found.columns == (("optimization.learning_rate",),)
    assert [one.cells for one in found.settings] == [("0.002",), ("0.001",)]
    alone, three = (one.estimate("test/psnr") for one in found.settings)
    assert (alone.mean, alone.deviation, alone.count) == (25.0, None, 1)
    assert three.mean == 64 / 3 and three.count == 3
    assert three.deviation == statistics.stdev([20, 21, 23])
    assert estimate_text("test/psnr", alone) == "25.00 ± –"
    assert estimate_text("test/psnr", three) == "21.33 ± 1.53"
    assert estimate_text("test/usage", found.settings[1].estimate("test/usage")) == "50.0 ± 0.0"
    assert found.shared["experiment"] == "tiny" and found.shared["data"] == "photos contents:0123456789ab"


@pytest.mark.parametrize(("metric", "first"), [("test/psnr", "b"), ("train/seconds", "a"), ("test/usage", "b")])
def test_the_order_follows_what_the_figure_means(tmp_path, metric, first):
    low = {"train/seconds": 1.0, "test/usage": 0.1}
    write_run(tmp_path / "a", psnr=20.0, summary=low)
    write_run(tmp_path / "b", psnr=21.0, changes={"quantizer.codebook_size": 32})
    found = compared(tmp_path / "a", tmp_path / "b", metric=metric)
    assert found.settings[0].runs[0].folder.name == first
    assert found.keys(everything=False)[0] == metric


def test_a_metric_of_the_users_own_takes_its_direction_from_the_checkpoint(tmp_path):
    own = {"metrics.lpips": {"_target_": "torch.nn.Identity"}, "metrics.psnr": None}
    for name, value, more in (("a", 0.3, {}), ("b", 0.2, {"optimization.learning_rate": 1.0})):
        write_run(tmp_path / name, psnr=20.0, changes={**own, **more}, summary={"test/lpips": value})
    with pytest.raises(ValueError, match="nothing says whether more or less of test/lpips is better"):
        compared(tmp_path / "a", tmp_path / "b", metric="test/lpips")
    for name in ("c", "d"):
        best = {"callbacks.best_checkpoint.monitor": "val/lpips", "callbacks.best_checkpoint.mode": "min"}
        more = {"optimization.learning_rate": 1.0} if name == "d" else {}
        value = 0.3 if name == "c" else 0.2
        write_run(tmp_path / name, psnr=20.0, changes={**own, **best, **more}, summary={"test/lpips": value})
    found = compared(tmp_path / "c", tmp_path / "d", metric="test/lpips")
    assert [one.runs[0].folder.name for one in found.settings] == ["d", "c"]
    assert "test/lpips" in found.keys(everything=False)


def test_a_figure_that_is_not_finite_comes_last(tmp_path):
    write_run(tmp_path / "a", psnr=math.nan)
    write_run(tmp_path / "b", psnr=3.0, changes={"quantizer.codebook_size": 32})
    found = compared(tmp_path / "a", tmp_path / "b")
    assert [one.runs[0].folder.name for one in found.settings] == ["b", "a"]
    assert estimate_text("test/psnr", found.settings[1].estimate("test/psnr")) == "nan ± –"


def test_null_means_what_it_means_not_to_be_there(tmp_path):
    write_run(tmp_path / "a", psnr=1.0)
    write_run(tmp_path / "b", psnr=2.0, changes={"adversary": None, "quantizer.revival": None, "seed": 1})
    (alone,) = compared(tmp_path / "a", tmp_path / "b").settings
    assert len(alone.runs) == 2
    write_run(tmp_path / "c", psnr=3.0, changes={"quantizer.revival": {"every": 10}})
    found = compared(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    assert found.columns == (("quantizer.revival.every",),)
    assert [one.cells for one in found.settings] == [("10",), ("",)]


def test_columns_are_exactly_the_keys_that_differ(tmp_path):
    write_run(tmp_path / "a", psnr=1.0, changes={"encoder.latent_dim": 4, "decoder.latent_dim": 4})
    changes = {"encoder.latent_dim": 8, "decoder.latent_dim": 8, "quantizer.extra": {"_target_": "a.B"}}
    write_run(tmp_path / "elsewhere" / "b", psnr=2.0, changes={**changes, "seed": 4, "data.root": "/other/photos"})
    found = compared(tmp_path / "a", tmp_path / "elsewhere" / "b")
    assert found.columns == (("encoder.latent_dim", "decoder.latent_dim"), ("quantizer.extra._target_",))
    assert [one.cells for one in found.settings] == [("8", "B"), ("4", "")]


@pytest.mark.parametrize(
    ("changes", "provenance", "summary", "told"),
    [
        ({}, {"data": {"fingerprint": "contents:fedcba9876543210"}}, {}, "data fingerprint: contents:0123456789ab"),
        ({}, {"data": {}}, {}, "not there in"),
        ({"data.size": 32}, {}, {}, "data.size: 64 in"),
        ({"data.resize": 128}, {}, {}, "data.resize: not there in"),
        ({"run.limit_eval_batches": 1}, {}, {}, "run.limit_eval_batches: not there in"),
        ({"tokenizer.value_range": [0.0, 1.0]}, {}, {}, "tokenizer.value_range: -1, 1 in"),
        ({"metrics.psnr.eps": 1}, {}, {}, "metrics.psnr.eps: not there in"),
        ({"metrics.ssim": {"_target_": "x"}}, {}, {"test/ssim": 1.0}, "test figures: psnr in"),
    ],
)  # fmt: skip
def test_what_does_not_mean_the_same_is_not_ranked(tmp_path, changes, provenance, summary, told):
    one = write_run(tmp_path / "one", psnr=20.0)
    other = write_run(tmp_path / "other", psnr=21.0, changes=changes, provenance=provenance, summary=summary)
    with pytest.raises(ValueError, match="cannot be ranked") as error:
        compared(one, other)
    assert told in str(error.value) and str(one) in str(error.value) and str(other) in str(error.value)
    found = compared(one, other, ranked=False)
    assert found.metric is None and any(told in text for text in found.differences)
    assert [run.folder for group in found.settings for run in group.runs] == [one, other]


@pytest.mark.parametrize(
    "changes",
    [{"data.batch_size": 4}, {"data.num_workers": 2}, {"quantizer.codebook_size": 64}, {"metrics.lpips": None}],
)
def test_what_only_training_sees_does_not_keep_from_ranking(tmp_path, changes):
    one = write_run(tmp_path / "one", psnr=20.0)
    other = write_run(tmp_path / "other", psnr=21.0, changes=changes, summary={"test/usage_1": 0.5})
    assert compared(one, other).metric == "test/psnr"


def test_runs_are_found_through_links_and_once(tmp_path):
    real = write_run(tmp_path / "runs" / "a", psnr=20.0)
    write_run(tmp_path / "multi" / "1", psnr=20.0, changes={"seed": 1}, finished=False)
    (tmp_path / "multi" / "0").symlink_to(real)
    (tmp_path / "multi" / "again").symlink_to(tmp_path / "multi")
    (tmp_path / "nothing").mkdir()
    finished, unfinished, empty = find_runs([tmp_path / "multi", real, tmp_path / "runs", tmp_path / "nothing"])
    assert finished == [tmp_path / "multi" / "0"]
    assert unfinished == [tmp_path / "multi" / "1"]
    assert empty == [tmp_path / "nothing"]
    with pytest.raises(ValueError, match="there is no folder"):
        find_runs([tmp_path / "nowhere"])


def test_a_seed_counts_once_and_the_newer_run_is_kept(tmp_path):
    new = write_run(tmp_path / "new", psnr=22.0, provenance={"started": "2026-01-02T00:00:00+00:00"})
    old = write_run(tmp_path / "old", psnr=20.0)
    found = compared(new, old)
    assert found.repeated == ((str(old), str(new)),)
    assert found.settings[0].estimate("test/psnr").count == 1 and found.settings[0].runs[0].folder == new


def test_an_evaluation_has_the_setting_and_the_seed_of_its_run(tmp_path):
    for name, size, seed in (("a", 16, 0), ("b", 16, 1), ("c", 32, 0)):
        trained = write_run(
            tmp_path / name, psnr=20.0, changes={"quantizer.codebook_size": size, "seed": seed, "data.size": 48}
        )
        write_run(
            tmp_path / "eval" / name,
            psnr=20.0 + seed + size,
            changes={"run.path": str(trained), "quantizer": {"codebook_size": 4}, "tokenizer": None},
            provenance={"evaluated": str(trained), "overrides": []},
        )
    found = compared(*(tmp_path / "eval" / name for name in "abc"))
    assert found.columns == (("quantizer.codebook_size",),)
    assert [(one.cells, len(one.runs)) for one in found.settings] == [(("32",), 1), (("16",), 2)]
    assert found.shared["experiment"] == "tiny" and "data.size 64" in found.shared["protocol"]
    mixed = compared(tmp_path / "a", tmp_path / "eval" / "a", ranked=False)
    assert any(text.startswith("data.size: 48 in") for text in mixed.differences) and len(mixed.settings) == 2
    assert mixed.columns == (("evaluation.run.checkpoint",), ("evaluation.data.size",))


def test_an_evaluation_whose_run_is_gone_is_a_setting_of_its_own(tmp_path):
    for name in "ab":
        write_run(
            tmp_path / name,
            psnr=20.0,
            changes={"tokenizer": None},
            provenance={"evaluated": str(tmp_path / "gone" / name)},
        )
    found = compared(tmp_path / "a", tmp_path / "b")
    assert found.columns == (("evaluated",),)


def test_the_metric_that_all_runs_have(tmp_path):
    one = write_run(tmp_path / "one", psnr=20.0)
    other = write_run(tmp_path / "other", psnr=21.0, changes={"optimization.learning_rate": 1.0})
    for folder in (one, other):
        summary = json.loads((folder / "summary.json").read_text())
        (folder / "summary.json").write_text(json.dumps({k: v for k, v in summary.items() if k != "test/psnr"}))
    assert compared(one, other).metric == "val/psnr"
    with pytest.raises(ValueError, match=r"has no test/psnr; all runs have .*val/psnr"):
        compared(one, other, metric="test/psnr")


def test_every_figure_and_single_levels_are_shown_on_demand(tmp_path):
    more = {"test/usage_1": 0.4, "test/perplexity_0": 2.0, "val/usage": 0.5}
    found = compared(write_run(tmp_path / "one", psnr=20.0, summary=more))
    assert found.keys(everything=False) == [
        "test/psnr", "test/bits_per_pixel", "test/entropy_bits_per_pixel", "test/usage", "train/seconds",
    ]  # fmt: skip
    everything = found.keys(everything=True)
    assert {"test/usage_1", "test/perplexity_0", "val/psnr", "val/usage"} <= set(everything)
    assert "train/loss" not in everything


def test_a_damaged_file_is_named(tmp_path):
    run = write_run(tmp_path / "one", psnr=20.0)
    (run / "config.yaml").write_text("a: [1\n")
    with pytest.raises(ValueError, match=r"config\.yaml is damaged"):
        read_run(run)


def test_values_of_settings():
    assert canonical(1) == canonical(1.0) != canonical(True)
    assert text_of("a._target_", "one.two.Three") == "Three" and text_of("a", "one.two") == "one.two"
    assert text_of("a", [1, 0.5, None]) == "1, 0.5, null" and text_of("a", 1e-05) == "1e-05"
    paths = {"output_dir": "/x/y", "log_dir": "/x", "data_dir": "./data", "root_dir": "."}
    config = {"seed": 3, "paths": paths, "a": {"b": "/x/y/best.ckpt", "c": ["./data/p", "/xy"]}, "run": {"resume": "z"}}
    assert setting(config) == {"a.b": "<output_dir>/best.ckpt", "a.c": ["<data_dir>/p", "/xy"]}
    assert protocol({"data": {"size": 4, "batch_size": 2}}, {"test/psnr": 1.0}) == {"data.size": 4}


def test_codebook_sizes_come_from_the_header(tmp_path):
    run = write_run(tmp_path / "one", psnr=20.0, changes={"quantizer.codebook_size": 48})
    assert codebook_sizes(run) == [48] and codebook_sizes(tmp_path) == []
    (run / "code_counts.safetensors").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"code_counts\.safetensors is damaged"):
        codebook_sizes(run)
