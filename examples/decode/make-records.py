"""Writes records.json, the records that decode.test.ts decodes, with the libraries of other teams.

    pip install cloudevents==2.2.0 fastavro==1.13.1
    python examples/decode/make-records.py > examples/decode/records.json
"""

import io
import json
import struct
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import fastavro
from cloudevents.core.bindings.kafka import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1.http import CloudEvent as CloudEventOfVersion1
from cloudevents.v1.kafka import to_structured as to_structured_of_version_1

HERE = Path(__file__).parent
ID = "0f9c2b64-1d3e-4a5f-8b7c-6d5e4f3a2b%02d"
ORDER = "7c0e6d3a-5b1f-4e29-9a44-1f0c2d3e4b5a"


def hexed(value):
    if value is None:
        return None
    return (value if isinstance(value, bytes) else str(value).encode()).hex()


def record(key, value, headers):
    return {
        "key": hexed(key),
        "value": hexed(value),
        "headers": [[name, hexed(content)] for name, content in headers.items()],
    }


def attributes(number, type="com.example.order.placed"):
    return {
        "id": ID % number,
        "source": "https://shop.example/orders",
        "type": type,
        "subject": ORDER,
        "time": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        "datacontenttype": "application/json",
        "partitionkey": ORDER,
    }


DATA = {"user_id": "ann", "total_amount": "99.95"}


def avro(event, schema_id=17):
    schema = fastavro.parse_schema(json.loads((HERE / "schemas" / "17.avsc").read_text()))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, schema, event)
    return struct.pack(">bI", 0, schema_id) + out.getvalue()


structured = to_structured_event(CloudEvent(attributes(1), DATA))
binary = to_binary_event(CloudEvent(attributes(2), DATA))
other = to_binary_event(CloudEvent(attributes(3, "com.example.newsletter.sent"), DATA))
# Version 1 of the library names the type of the data in content-type, in this mode too.
old = to_structured_of_version_1(
    CloudEventOfVersion1({**attributes(5), "time": "2026-01-02T03:04:05+00:00"}, DATA)
)
order = {
    "event_id": ID % 4,
    "order_id": ORDER,
    "user_id": "zoë",
    "total_amount": Decimal("12345678901234.5678"),
    "timestamp": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc),
}
print(
    json.dumps(
        {
            "structured": record(structured.key, structured.value, structured.headers),
            "binary": record(binary.key, binary.value, binary.headers),
            "structured, by an old library": record(old.key, old.value, old.headers),
            "other type": record(other.key, other.value, other.headers),
            "avro": record(ORDER, avro(order), {}),
            "avro of an unknown schema": record(ORDER, avro(order, 18), {}),
        },
        indent=2,
    )
)
