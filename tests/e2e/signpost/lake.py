"""The clicks in the bucket: lines as they came, and the files of hours that compaction makes of them."""

import json
import tempfile
import time
from pathlib import Path

import duckdb


class Lake:
    """The bucket of one deployment."""

    def __init__(self, cloud):
        self.objects, self.bucket = cloud.objects, cloud.bucket

    def keys(self, prefix):
        pages = self.objects.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [it["Key"] for page in pages for it in page.get("Contents", [])]

    def read(self, key):
        """What is there; nothing if it is gone, because compaction has taken it meanwhile."""
        try:
            return self.objects.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.objects.exceptions.NoSuchKey:
            return b""

    def put(self, key, body):
        self.objects.put_object(Bucket=self.bucket, Key=key, Body=body)

    def lines(self, link=None):
        """The clicks that wait in `raw/`, of one link or of all."""
        found = []
        for key in self.keys("raw/dt="):
            found += [json.loads(line) for line in self.read(key).splitlines()]
        return [click for click in found if link is None or click["link"] == link["id"]]

    def rows(self, link=None):
        """The clicks in the files of hours, with their day and hour, of one link or of all."""
        found = []
        for key in self.keys("clicks/"):
            folder, dt, hr, name = key.split("/")
            assert (folder, dt[:3], hr[:3], name) == ("clicks", "dt=", "hr=", "clicks.parquet"), key
            with tempfile.TemporaryDirectory() as place:
                file = Path(place) / name
                file.write_bytes(self.read(key))
                # Times as milliseconds: for the others DuckDB's Python wants a package of time zones.
                query = "SELECT * REPLACE (epoch_ms(\"at\") AS \"at\") FROM read_parquet(?)"
                rows = duckdb.execute(query, [str(file)])
                names = [column[0] for column in rows.description]
                found += [dict(zip(names, row)) | {"dt": dt[3:], "hr": hr[3:]} for row in rows.fetchall()]
        return [click for click in found if link is None or click["link"] == link["id"]]


def raw_key(name):
    """Where a batch that arrives now is put."""
    return time.strftime(f"raw/dt=%Y-%m-%d/hr=%H/{name}.jsonl", time.gmtime())
