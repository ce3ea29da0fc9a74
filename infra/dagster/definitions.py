"""A Dagster project that runs a defacto pipeline as one asset.

    NIGHTLY_PROJECT=/srv/shop dagster dev -f definitions.py

Steps, entity types and counters of the run appear as metadata of the asset; `CHECKS` as its asset checks.
"""

import os
import shlex

from dagster import (
    AssetCheckSpec,
    AssetExecutionContext,
    AssetSelection,
    Definitions,
    PipesSubprocessClient,
    ScheduleDefinition,
    asset,
    define_asset_job,
)

#: The program and its leading arguments.
DEFACTO = shlex.split(os.environ.get("NIGHTLY_COMMAND", "npx defacto"))
PIPELINE = os.environ.get("NIGHTLY_PIPELINE", "nightly")
#: Checks of the pipeline that Dagster is to know as such, by name; the others are metadata of the asset.
CHECKS = [name for name in os.environ.get("NIGHTLY_CHECKS", "").split(",") if name]


@asset(
    name=PIPELINE,
    group_name="defacto",
    kinds={"defacto"},
    check_specs=[AssetCheckSpec(name.replace("-", "_"), asset=PIPELINE) for name in CHECKS],
)
def pipeline(context: AssetExecutionContext, defacto: PipesSubprocessClient):
    return defacto.run(
        context=context,
        command=[*DEFACTO, "pipes", "--", "run", "start", PIPELINE, "--local"],
        cwd=os.environ.get("NIGHTLY_PROJECT"),
        # What may be asked for here: as_of, version, only, timeout, idempotency_key, full, from_raw, checks.
        extras={"defacto": {"checks": CHECKS}},
    ).get_results()


nightly_job = define_asset_job("defacto_nightly", selection=AssetSelection.assets(pipeline))

defs = Definitions(
    assets=[pipeline],
    jobs=[nightly_job],
    # Here Dagster decides when; the pipeline's own `schedule` stays empty then.
    schedules=[ScheduleDefinition(job=nightly_job, cron_schedule="0 2 * * *", execution_timezone="UTC")],
    resources={"defacto": PipesSubprocessClient()},
)
