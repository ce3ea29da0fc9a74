"""Operators that run a defacto pipeline as one Airflow task: over HTTP, or as a process.

Copy this file beside your DAGs. It needs nothing but Airflow 3 and, for `DefactoProcess`, the `defacto` command.

Both ask with the key `<dag>/<run>/<task>`: a task that Airflow starts again joins the run that is still active, and a
retry of a task whose run has failed goes on from the first step that did not succeed.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Sequence

from airflow.sdk import BaseHook, BaseOperator, BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowException, AirflowFailException

GOOD = {"succeeded", "skipped", "coalesced"}
ENDED = GOOD | {"failed", "cancelled", "abandoned"}
#: Exit codes after which another try may do better: interrupted or unexpected, slot taken, unreachable, timed out.
PASSING = {1, 6, 9, 124, 130}


def key_of(context: Any) -> str:
    instance = context["ti"]
    return f"{instance.dag_id}/{instance.run_id}/{instance.task_id}"


def outcome(run: dict[str, Any]) -> dict[str, Any]:
    """What goes into XCom: the id and counters, nothing of the data."""
    return {name: run[name] for name in ("run_id", "status", "stats")}


def failed(run: dict[str, Any]) -> Exception:
    error = run.get("error") or {}
    code = error.get("code", run["status"])
    text = f"defacto run {run['run_id']} {run['status']}: {code}: {error.get('message', 'no message')}"
    again = error.get("recoverable", False) or run["status"] in ("cancelled", "abandoned")
    # What only people can mend is not tried again.
    return AirflowException(text) if again else AirflowFailException(text)


class DefactoRun(BaseSensorOperator):
    """Runs a pipeline through `defacto serve`.

    Every look repeats the request with the same key, so nothing is to be remembered between two looks and the worker's
    slot is free meanwhile. The connection's host and port say where the server is, its password is the token.
    """

    template_fields: Sequence[str] = ("pipeline", "as_of")

    def __init__(
        self, *, pipeline: str, as_of: str | None = None, connection: str = "defacto", hold: float = 10, **rest: Any
    ) -> None:
        super().__init__(**{"mode": "reschedule", "poke_interval": 30, **rest})
        self.pipeline = pipeline
        self.as_of = as_of
        self.connection = connection
        #: Seconds that one look waits for the end, so that short runs need no second one.
        self.hold = hold
        self._run: str | None = None

    def poke(self, context: Any) -> PokeReturnValue:
        key = key_of(context)
        body = {"op": "pipeline", "input": {"pipeline": self.pipeline}, "tags": {"airflow": key}}
        if self.as_of:
            body["as_of"] = self.as_of
        self._call("POST", "/v1/runs", body, {"Idempotency-Key": key})
        # The newest run of this task: the first one, or the last retry.
        runs = self._call("GET", f"/v1/runs?tag={urllib.parse.quote('airflow=' + key, safe='')}")["runs"]
        run = self._watch(runs[0]["run_id"])
        if run["status"] in ENDED - GOOD and context["ti"].try_number > len(runs):
            run = self._watch(self._call("POST", f"/v1/runs/{run['run_id']}/retry")["run_id"])
        if run["status"] in ENDED - GOOD:
            raise failed(run)
        return PokeReturnValue(run["status"] in GOOD, outcome(run))

    def _watch(self, run_id: str) -> dict[str, Any]:
        self._run = run_id
        run = self._call("GET", f"/v1/runs/{run_id}?wait={self.hold}s")
        self.log.info("defacto run %s: %s", run_id, run["status"])
        return run

    def on_kill(self) -> None:
        if self._run:
            self._call("POST", f"/v1/runs/{self._run}/cancel", {"reason": "the Airflow task was killed"})

    def _call(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        at = BaseHook.get_connection(self.connection)
        request = urllib.request.Request(
            f"{at.schema or 'http'}://{at.host}:{at.port or 8080}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                **({"Authorization": f"Bearer {at.password}"} if at.password else {}),
                **(headers or {}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=self.hold + 30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            problem = json.loads(error.read() or b"{}")
            text = f"{method} {path}: {error.code} {problem.get('code', '')}: {problem.get('detail', error.reason)}"
            raise (AirflowException if error.code >= 500 else AirflowFailException)(text) from None


class DefactoProcess(BaseOperator):
    """Runs a pipeline with the command line, in the project's folder; its exit code says what follows."""

    template_fields: Sequence[str] = ("pipeline", "as_of")

    def __init__(
        self,
        *,
        pipeline: str,
        project: str,
        as_of: str | None = None,
        command: str = "npx defacto",
        flags: Sequence[str] = (),
        env: dict[str, str] | None = None,
        **rest: Any,
    ) -> None:
        super().__init__(**rest)
        self.pipeline = pipeline
        self.project = project
        self.as_of = as_of
        self.command = command
        self.flags = list(flags)
        self.env = env or {}
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        key = key_of(context)
        runs = self._defacto(["run", "list", "--tag", f"airflow={key}"])["data"] if context["ti"].try_number > 1 else []
        if runs and runs[0]["status"] in ENDED - GOOD:
            arguments = ["run", "retry", runs[0]["run_id"]]
        else:
            arguments = ["run", "start", self.pipeline, "--idempotency-key", key, "--tag", f"airflow={key}"]
            arguments += ["--as-of", self.as_of] if self.as_of else []
        return outcome(self._defacto([*arguments, *self.flags])["data"])

    def on_kill(self) -> None:
        # It stops at its next chunk, and what was committed stays.
        if self._process is not None:
            self._process.terminate()

    def _defacto(self, arguments: list[str]) -> dict[str, Any]:
        self._process = subprocess.Popen(
            [*shlex.split(self.command), *arguments, "-o", "json", "--no-input"],
            cwd=self.project,
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            text=True,
        )
        out, _ = self._process.communicate()
        code = self._process.returncode
        answer = json.loads(out) if out.strip() else {}
        if code != 0:
            error = answer.get("error") or {}
            text = f"defacto {' '.join(arguments[:2])}: exit code {code}, {error.get('code', '')}: {error.get('message', '')}"
            raise (AirflowException if code in PASSING else AirflowFailException)(text)
        return answer
