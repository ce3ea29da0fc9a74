"""Reads exports with the tools people have: one JSON request a line in, one JSON answer a line out."""
import json
import sys
from datetime import datetime, timezone

import duckdb
import networkx as nx
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


def cell(value):
    """JSON that keeps apart what JSON mixes: whole numbers come as {"int": text}, instants as {"at": text}."""
    if isinstance(value, bool) or value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, int):
        return {"int": str(value)}
    if isinstance(value, datetime):
        return {"at": value.astimezone(timezone.utc).isoformat()}
    raise TypeError(f"{type(value)} was not expected")


def rows(dicts):
    return [{name: cell(value) for name, value in row.items()} for row in dicts]


def arrow(table):
    return {"types": {field.name: str(field.type) for field in table.schema}, "rows": rows(table.to_pylist())}


def frame(data):
    """A data frame's own types; missing values of any kind are null."""
    columns = {name: [None if pd.isna(v) else cell(v.item() if hasattr(v, "item") else v) for v in data[name]] for name in data}
    names = list(columns)
    return {
        "types": {name: str(data[name].dtype) for name in names},
        "rows": [dict(zip(names, row)) for row in zip(*columns.values())],
    }


def parquet(path):
    column = pa.parquet.ParquetFile(path).metadata.row_group(0).column(0)
    return {
        "arrow": arrow(pa.parquet.read_table(path)),
        "pandas": frame(pd.read_parquet(path, dtype_backend="numpy_nullable")),
        "codec": column.compression,
    }


ARROW = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(), "datetime": pa.timestamp("us", "UTC")}
PANDAS = {"string": "string", "integer": "Int64", "number": "Float64", "boolean": "boolean"}


def csv(path, types):
    """Arrow tells an empty text from a missing one by the quotes."""
    table = pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types={name: ARROW[kind] for name, kind in types.items()},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    data = pd.read_csv(
        path,
        dtype={name: PANDAS[kind] for name, kind in types.items() if kind in PANDAS},
        keep_default_na=False,
        na_values=[""],
    )
    for name, kind in types.items():
        if kind == "datetime":
            data[name] = pd.to_datetime(data[name], format="ISO8601", utc=True).astype("datetime64[us, UTC]")
    # What readers find out by themselves.
    guessed = duckdb.sql(f"describe select * from read_csv('{path}', sample_size=-1)").fetchall()
    return {"arrow": arrow(table), "pandas": frame(data), "duckdb": {row[0]: row[1] for row in guessed}}


def loaded(path, edges="edges"):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    if edges == "edges":
        return nx.node_link_graph(data)
    return nx.node_link_graph(data, edges=edges)


def graph(path, edges="edges"):
    found = loaded(path, edges)
    return {
        "directed": found.is_directed(),
        "multigraph": found.is_multigraph(),
        "nodes": {node: {k: cell(v) for k, v in data.items()} for node, data in found.nodes(data=True)},
        "edges": [[a, b, {k: cell(v) for k, v in data.items()}] for a, b, data in found.edges(data=True)],
    }


def scores(path):
    found = loaded(path)
    return {
        "components": [sorted(part) for part in nx.weakly_connected_components(found)],
        "pagerank": nx.pagerank(found, alpha=0.85, tol=1e-15, max_iter=1000, weight=None),
        "betweenness": nx.betweenness_centrality(found),
        "degree": nx.degree_centrality(found),
    }


def modularity(path, communities):
    found = nx.Graph()
    whole = loaded(path)
    found.add_nodes_from(whole)
    for a, b in whole.edges():
        if a != b:
            found.add_edge(a, b, weight=found.get_edge_data(a, b, {"weight": 0})["weight"] + 1)
    best = nx.community.louvain_communities(found, seed=1)
    return {"ours": nx.community.modularity(found, communities), "theirs": nx.community.modularity(found, best)}


def database(path):
    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        described = connection.execute(
            "select table_schema, table_name, column_name, data_type from information_schema.columns"
            " order by table_schema, table_name, ordinal_position"
        ).fetchall()
        tables = {}
        for schema, table, column, kind in described:
            tables.setdefault(f"{schema}.{table}", {})[column] = kind
        answer = {}
        for name, types in tables.items():
            schema, table = name.split(".", 1)
            result = connection.execute(f'select * from "{schema}"."{table}"')
            names = [column[0] for column in result.description]
            answer[name] = {"types": types, "rows": rows(dict(zip(names, row)) for row in result.fetchall())}
        return answer


CALLS = {"parquet": parquet, "csv": csv, "graph": graph, "scores": scores, "modularity": modularity, "database": database}

for line in sys.stdin:
    request = json.loads(line)
    name = request.pop("do")
    try:
        answer = CALLS[name](**request)
    except Exception as error:  # the test says what it makes of it
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer, allow_nan=False), flush=True)
