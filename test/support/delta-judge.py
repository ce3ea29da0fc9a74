"""Reads and writes Delta tables with delta-rs: one JSON request a line in, one JSON answer a line out."""
import json
import sys

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake


def read(path, version=None):
    table = DeltaTable(path, version=version)
    rows = table.to_pyarrow_table().sort_by("sequence")
    filtered = table.to_pyarrow_table(filters=[("sequence", "<=", 50)])
    text = rows.column("data")
    return {
        "version": table.version(),
        "rows": rows.num_rows,
        "sequences": rows.column("sequence").to_pylist(),
        "upToFifty": filtered.num_rows,
        "bytes": pc.sum(pc.binary_length(text)).as_py() or 0,
        "duplicates": pc.sum(rows.column("duplicate_of")).as_py() or 0,
        "excluded": pc.sum(rows.column("excluded")).as_py() or 0,
        "types": {field.name: str(field.type) for field in rows.schema},
        "last": rows.slice(max(0, rows.num_rows - 1)).to_pylist(),
    }


def append(path, first, last):
    numbers = range(first, last + 1)
    schema = pa.schema(DeltaTable(path).schema().to_arrow())
    columns = {
        "sequence": list(numbers),
        "event_id": [f"foreign-{n}" for n in numbers],
        "event_type": ["foreign" for _ in numbers],
        "timestamp": ["2024-02-01T00:00:00+00:00" for _ in numbers],
        "data": ['{"email":"foreign@example.com"}' for _ in numbers],
    }
    arrays = [
        pa.array(columns.get(field.name, [None] * len(numbers)), field.type) for field in schema
    ]
    write_deltalake(path, pa.Table.from_arrays(arrays, schema=schema), mode="append")
    return {"version": DeltaTable(path).version()}


def checkpoint(path):
    DeltaTable(path).create_checkpoint()
    return {}


def delete(path, predicate):
    return DeltaTable(path).delete(predicate)


for line in sys.stdin:
    request = json.loads(line)
    name = request.pop("do")
    try:
        answer = {"read": read, "append": append, "checkpoint": checkpoint, "delete": delete}[name](**request)
    except Exception as error:  # the test says what it makes of it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
