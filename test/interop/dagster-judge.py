"""Runs an asset in a real Dagster, in this process, and prints what Dagster knows of it afterwards as JSON.

Standard input: {definitions, asset, job} for a file of definitions, else {assets, command, cwd, extras, checks, partition,
context}.
"""

import importlib.util
import json
import os
import sys

from dagster import (
    AssetCheckSpec,
    AssetKey,
    AssetSpec,
    DagsterInstance,
    DailyPartitionsDefinition,
    PipesEnvContextInjector,
    PipesSubprocessClient,
    materialize,
    multi_asset,
)

# What steps print is not the answer.
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
wanted = json.load(sys.stdin)
custom = []


def step():
    keys = [AssetKey(key.split("/")) for key in wanted["assets"]]
    days = DailyPartitionsDefinition(start_date="2024-01-01") if wanted.get("partition") else None

    @multi_asset(
        specs=[AssetSpec(key) for key in keys],
        check_specs=[AssetCheckSpec(name, asset=keys[0]) for name in wanted.get("checks", [])],
        partitions_def=days,
    )
    def judged(context):
        injector = PipesEnvContextInjector() if wanted.get("context") == "env" else None
        done = PipesSubprocessClient(context_injector=injector, forward_stdio=False).run(
            context=context,
            command=wanted["command"],
            cwd=wanted.get("cwd"),
            extras=wanted.get("extras"),
        )
        custom.extend(done.get_custom_messages())
        return done.get_results()

    return judged


def run(instance):
    path = wanted.get("definitions")
    if path is None:
        return materialize(
            [step()], instance=instance, partition_key=wanted.get("partition"), raise_on_error=False
        )
    spec = importlib.util.spec_from_file_location("definitions", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    job = module.defs.resolve_job_def(wanted["job"])
    return job.execute_in_process(instance=instance, raise_on_error=False)


def metadata(values):
    return {name: [type(value).__name__, value.value] for name, value in values.items()}


instance = DagsterInstance.ephemeral()
result = run(instance)
materializations, checks = [], []
for event in result.all_events:
    if event.is_step_materialization:
        told = event.materialization
        tags = told.tags or {}
        materializations.append(
            {
                "asset": told.asset_key.to_user_string(),
                "data_version": tags.get("dagster/data_version"),
                "metadata": metadata(told.metadata),
            }
        )
    if event.event_type_value == "ASSET_CHECK_EVALUATION":
        told = event.asset_check_evaluation_data
        checks.append(
            {
                "check": told.check_name,
                "asset": told.asset_key.to_user_string(),
                "passed": told.passed,
                "severity": told.severity.value,
                "metadata": metadata(told.metadata),
            }
        )
entries = instance.all_logs(result.run_id)
logs = [[entry.level, entry.user_message] for entry in entries if not entry.is_dagster_event]
errors = [
    [event.message, event.event_specific_data.error.message, event.event_specific_data.error.cls_name]
    for event in (entry.dagster_event for entry in entries if entry.is_dagster_event)
    if event.event_type_value == "ENGINE_EVENT" and event.event_specific_data.error
]
json.dump(
    {
        "success": result.success,
        "materializations": materializations,
        "checks": checks,
        "logs": logs,
        "errors": errors,
        "custom": custom,
        "failed": [event.step_key for event in result.all_events if event.is_step_failure],
    },
    answer,
)
answer.close()
