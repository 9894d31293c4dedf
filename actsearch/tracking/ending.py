"""What the runs of a search get when it ends: verdicts, mean curves, the note, pictures, tables and models."""

import json
import re
from typing import Any

from actsearch.analysis.findings import PRICES, Verdict
from actsearch.analysis.pictures import pictures_of
from actsearch.analysis.report import markdown
from actsearch.ledger import End, Ledger
from actsearch.records import SearchRecord, Status, TrialRecord
from actsearch.tracking.files import model_file
from actsearch.tracking.points import curve_points
from actsearch.tracking.runs import Runs

STATUSES = {"completed": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
TABLE = "trials.json"
AVERAGED = "actsearch.curves_of"  # the number of executions in a trial's mean curves
_LONGEST_NOTE = 8000  # characters, by MLflow's limit on tags


def draw_ending(runs: Runs, ledger: Ledger, search: SearchRecord, end: End, verdict: Verdict | None) -> None:
    """Writes what was found and ends the runs, that of the search last: one that is over has everything.

    The curves of a trial are drawn once, when its search is completed: MLflow keeps both where a point is drawn again
    with another value, so those of a search that goes on after that stay as they are.

    Args:
        runs: Of the search.
        ledger: The search's, in its directory.
        search: All that is known of it.
        end: Its last end.
        verdict: On it; None where nothing completed.
    """
    status = STATUSES.get(end.how, "FAILED")
    for trial in search.trials:
        run = runs["trial", trial.trial_id]
        reason = next((e.reason for e in trial.executions if e.reason), None)
        runs.log(run, tags={"actsearch.reason": reason, "actsearch.verdict": _outcome(trial, verdict)})
        averaged = str(len(trial.completed))
        if status == "FINISHED" and run.tags.get(AVERAGED, averaged) == averaged:
            runs.log(run, metrics=curve_points(trial), tags={AVERAGED: averaged})
        runs.end(run, "FAILED" if trial.status is Status.FAILED else status, end.at)
    run = runs["search",]
    tags = {"mlflow.note.content": _note(runs, search, verdict), "actsearch.reason": end.reason}
    runs.log(run, tags=tags | {"mlflow.loggedArtifacts": json.dumps([{"path": TABLE, "type": "table"}])})
    runs.write(run, json.dumps(_table(search, verdict)), TABLE)
    facts = [json.dumps({"kind": f.kind, "key": f.key, "body": json.loads(f.body)}) for f in ledger.facts()]
    runs.write(run, "\n".join(facts) + "\n", "ledger.jsonl")
    for name, figure in (pictures_of(search, verdict) if verdict else {}).items():
        runs.draw(run, figure, f"report/{name}.png")
    _log_models(runs, ledger, search)
    runs.end(run, status, end.at)


def _log_models(runs: Runs, ledger: Ledger, search: SearchRecord) -> None:
    for trial in search.trials:
        file = model_file(ledger.directory, trial.trial_id)
        if file.is_file() and trial.scores:
            name = re.sub(r"[^\w-]+", "-", f"{search.name}-{trial.activation}")[:100]
            best = search.best is not None and trial.trial_id == search.best.trial_id
            register = search.settings.get("register") if best else None
            execution = search.objective.best(trial.scores)
            runs.log_model(runs["trial", trial.trial_id], file, name, execution, register)


def _outcome(trial: TrialRecord, verdict: Verdict | None) -> str | None:
    if verdict is None:
        return None
    finding = verdict.of(trial.trial_id)
    if finding is not None:
        return str(finding.outcome)
    return "baseline" if trial.activation == verdict.baseline else None


def _note(runs: Runs, search: SearchRecord, verdict: Verdict | None) -> str:
    """The report, each trial linked to its run, and how to repeat the search."""
    command = "\n".join(f"    {line}" for line in str(search.environment.get("command", "")).splitlines())
    repeat = f"\nTo repeat it:\n\n{command}\n" if 0 < len(command) < _LONGEST_NOTE / 4 else ""
    links = {trial.trial_id: runs.path("trial", trial.trial_id) for trial in search.trials}
    return markdown(search, verdict, links=links, max_length=_LONGEST_NOTE - len(repeat)) + repeat


def _table(search: SearchRecord, verdict: Verdict | None) -> dict[str, Any]:
    """One row a trial, the best first, as MLflow shows tables."""
    rows = []
    for trial in search.ranked:
        finding = verdict.of(trial.trial_id) if verdict else None
        row = {"trial_id": trial.trial_id, **trial.hyperparameters, "activation": trial.activation}
        row |= {"mean_score": trial.mean_score, "sd_score": trial.sd_score, "num_executions": len(trial.executions)}
        row |= {"difference": finding.difference if finding else None, "verdict": _outcome(trial, verdict)}
        rows.append(row | {price: trial.mean_resource(price) for price in PRICES})
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return {"columns": columns, "data": [[row.get(name) for name in columns] for row in rows]}
