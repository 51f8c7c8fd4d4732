"""The JSON Schema of a study file.

Editors use it to complete and check a study. It is made from the declarations: their
docstrings are its descriptions.
"""

import json

from invariance_probe.study.study import Study


def schema_text() -> str:
    """Return the schema as indented JSON with sorted keys."""
    return (
        json.dumps(Study.model_json_schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    )
