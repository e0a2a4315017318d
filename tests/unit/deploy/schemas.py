"""Schemas of the kinds that Kubernetes itself does not have."""

import json
from pathlib import Path
from typing import Final

from jsonschema import Draft202012Validator

from tests.unit.deploy.kustomize import Object

FOLDER: Final = Path(__file__).parent / "crds"


def is_custom(each: Object) -> bool:
    return _file(each).exists()


def check(each: Object) -> None:
    """Refuse unknown fields and values.

    Raises
    ------
    jsonschema.ValidationError
        Says which.
    """
    Draft202012Validator(json.loads(_file(each).read_text())).validate(each)


def _file(each: Object) -> Path:
    return FOLDER / f"{each['kind'].lower()}.json"
