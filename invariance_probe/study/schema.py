"""The JSON Schema of a study file, by which editors complete and check it."""

import json

from invariance_probe.study.study import Study


def schema_text() -> str:
    """Return the schema as stable, indented JSON."""
    return (
        json.dumps(Study.model_json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )
