"""The pipeline `nightly` as one task, twice: through `defacto serve`, and as a process of the worker.

`AIRFLOW_CONN_DEFACTO=http://:<token>@<host>:8080` says where the server is, `NIGHTLY_PROJECT` where the project is.
"""

import os
from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from defacto_airflow import DefactoProcess, DefactoRun

PIPELINE = os.environ.get("NIGHTLY_PIPELINE", "nightly")
common = {
    # Here Airflow decides when; the pipeline's own `schedule` stays empty then.
    "schedule": "0 2 * * *",
    "start_date": pendulum.datetime(2024, 1, 1, tz="UTC"),
    "catchup": False,
    # A second one would wait for the first anyway.
    "max_active_runs": 1,
    "default_args": {"retries": 2, "retry_delay": timedelta(minutes=float(os.environ.get("NIGHTLY_RETRY_MINUTES", "5")))},
}

with DAG("defacto_nightly", **common):
    DefactoRun(task_id=PIPELINE, pipeline=PIPELINE, timeout=timedelta(hours=12).total_seconds())

with DAG("defacto_nightly_process", **common):
    DefactoProcess(
        task_id=PIPELINE,
        pipeline=PIPELINE,
        project=os.environ.get("NIGHTLY_PROJECT", "."),
        command=os.environ.get("NIGHTLY_COMMAND", "npx defacto"),
        flags=os.environ.get("NIGHTLY_FLAGS", "").split(),
        execution_timeout=timedelta(hours=12),
    )
