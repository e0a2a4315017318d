"""The map of the gateway's modules."""

from pathlib import Path

import gateway


def test_every_module_of_the_gateway_has_its_place_in_the_map() -> None:
    folder = Path(gateway.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    packages = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    assert [name for name in sorted(modules | packages) if f"`{name}`" not in (gateway.__doc__ or "")] == []
