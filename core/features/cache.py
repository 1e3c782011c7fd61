"""Features kept by content: a folder of one-row Parquet files named by the hash of what they were made from."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedFeatures:
    values: dict[str, float]
    warnings: tuple[str, ...]
    provenance: dict[str, Any]


class FeatureCache:
    """A store of feature sets below `root`. Writing is atomic; a half-written file is never read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.parquet"

    def get(self, key: str) -> CachedFeatures | None:
        import pyarrow.parquet as pq

        path = self._path(key)
        if not path.exists():
            return None
        table = pq.read_table(path)
        meta = json.loads(table.schema.metadata[b"hepaboard"])
        values = dict(zip(table.column("feature").to_pylist(), table.column("value").to_pylist(), strict=True))
        return CachedFeatures(values=values, warnings=tuple(meta["warnings"]), provenance=meta["provenance"])

    def put(self, key: str, values: dict[str, float], warnings: tuple[str, ...], *, provenance: dict[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = json.dumps({"warnings": list(warnings), "provenance": provenance})
        table = pa.table({"feature": list(values), "value": pa.array(list(values.values()), pa.float64())})
        table = table.replace_schema_metadata({"hepaboard": meta})
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as handle:
            pq.write_table(table, handle)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(handle.name, path)
