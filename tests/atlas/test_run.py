"""A small plan from the first search to the parquet file, killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pyarrow import parquet

from atlas import collect
from atlas.plan import PLAN, load_plan
from atlas.run import expected_seconds, main

ROOT = Path(__file__).parents[2]
ACTIVATIONS = ["relu", "tanh", {"celu": {"alpha": 2.0}}]
FROM_SEEDS = ["situation", "activation", "rate", "score", "gain", "low", "high", "outcome", "epochs_to_level"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two situations, three activations, two executions."""
    content = yaml.safe_load(PLAN.read_text("utf-8"))
    content |= {"activations": ACTIVATIONS, "executions": 2, "steps": 40}
    content["tuning"] = {"executions": 1, "rates": {"adam": [0.001, 0.01]}}
    content["centre"] |= {"depth": 2, "width": 8, "samples": 120}
    content["axes"] = {"data": [{"data": ["diabetes"]}]}
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return path


def command(plan, out, *more):
    return [sys.executable, "-m", "atlas.run", "--plan", str(plan), "--out", str(out), *more]


def run(plan, out, *more):
    done = subprocess.run(command(plan, out, *more), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def kill_when(there, plan, out):
    """Starts a run, and kills it with its workers as soon as a file is there."""
    process = subprocess.Popen(
        command(plan, out), cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not there.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert there.exists()


@pytest.fixture(scope="module")
def collected(small, tmp_path_factory):
    """The tables of a run that was killed twice, and of one that was not; and the file of both runs."""
    killed, whole = tmp_path_factory.mktemp("killed"), tmp_path_factory.mktemp("whole")
    kill_when(killed / "centre" / "tuning" / "ledger.sqlite", small, killed)
    kill_when(killed / "data=diabetes" / "judged" / "ledger.sqlite", small, killed)
    first = collect.collect([killed], load_plan(small))
    resumed = run(small, killed)
    again = run(small, killed, "--workers", "2")
    run(small, whole)
    run(small, whole / "second", "--seed", "2", "--only", "centre")
    file = whole / "atlas.parquet"
    collect.main([str(whole), str(whole / "second"), "--plan", str(small), "--to", str(file)])
    return {"killed": first, "resumed": resumed, "again": again, "out": killed, "file": file}


@pytest.mark.slow
def test_a_killed_run_resumes_with_the_result_of_a_whole_one(small, collected):
    partial, omitted = collected["killed"]
    assert omitted == ["data=diabetes (run 1)"]
    assert set(partial["situation"]) == {"centre"}
    assert "centre: complete before" in collected["resumed"]
    assert "data=diabetes: complete in" in collected["resumed"]
    assert collected["again"].count("complete before") == 2
    resumed, _ = collect.collect([collected["out"]], load_plan(small))
    whole = pd.read_parquet(collected["file"]).query("run == 1")
    pd.testing.assert_frame_equal(resumed[FROM_SEEDS], whole[FROM_SEEDS].reset_index(drop=True))


@pytest.mark.slow
def test_the_file_has_a_row_for_each_situation_activation_and_run(collected):
    table = pd.read_parquet(collected["file"])
    assert len(table) == 3 * 3
    assert table.groupby("run")["situation"].nunique().to_dict() == {1: 2, 2: 1}
    assert set(table["label"]) == {"relu", "tanh", "celu(alpha=2)"}
    assert set(table["rate"]) <= {0.001, 0.01}
    assert table["rate_scores"].map(len).eq(2).all()
    assert table["scores"].map(len).eq(2).all()
    assert table["scores"].map(lambda scores: sum(scores) / 2).to_numpy() == pytest.approx(table["score"].to_numpy())
    named = {part.strip() for name in collect.COLUMNS for part in name.split(",") if "..." not in part}
    assert named | {"data", "samples", "depth"} <= set(table)
    baseline, others = table[table["activation"] == "relu"], table[table["activation"] != "relu"]
    assert set(baseline["outcome"]) == {"baseline"}
    assert baseline["gain"].isna().all() and others["gain"].notna().all() and others["error"].gt(0).all()
    for figure in ("dead_last", "gradient_start", "gradient_last", "train_seconds", "level"):
        assert table[figure].notna().all(), figure


@pytest.mark.slow
def test_the_metadata_say_how_to_repeat_it(small, collected):
    about = json.loads(parquet.read_schema(collected["file"]).metadata[collect.METADATA])
    assert about["plan_hash"] == load_plan(small).hash
    assert about["plan"] == yaml.safe_load(small.read_text("utf-8"))
    assert about["runs"] == [1, 2]
    assert "atlas.run" in about["repeat"]
    assert {"tensorflow", "keras"} <= set(about["environments"][0]["packages"])
    assert str(ROOT) not in json.dumps(about)


@pytest.mark.slow
def test_another_run_in_the_same_directory_is_refused(small, collected):
    done = subprocess.run(
        command(small, collected["out"], "--seed", "3", "--only", "centre"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "FAILED centre" in done.stdout and "not of run 3" in done.stdout


def test_a_dry_run_says_how_long_it_takes(capsys):
    assert main(["--dry-run", "--only", "depth"]) == 0
    *lines, total = capsys.readouterr().out.splitlines()
    assert len(lines) == 19
    assert total.startswith("19 situations, 5,700 executions: ")


def test_the_whole_plan_fits_two_cores_for_some_hours():
    plan = load_plan()
    seconds = sum(expected_seconds(plan, each) for each in plan.situations.values())
    assert seconds / 2 < 8 * 3600


def test_nothing_to_collect_is_an_error(tmp_path):
    with pytest.raises(SystemExit, match="No situation is complete"):
        collect.main([str(tmp_path), "--to", str(tmp_path / "atlas.parquet")])
