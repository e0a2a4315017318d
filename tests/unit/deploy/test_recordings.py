"""Recordings have a place that outlives the pods: the component of an overlay of one's own, and the compose file."""

from pathlib import Path

import kubernetes_validate
import pytest

from common.settings import PREFIX, Settings, load
from tests.unit.deploy import compose
from tests.unit.deploy.kustomize import Object
from tests.unit.deploy.manifests import OVERLAYS, extended, name_of, objects, pod_of
from tests.unit.deploy.test_images import USER, said

SEEN_BY = {"gateway", "jobs"}
"""Who writes recordings, and who prunes them and makes videos of them."""


@pytest.fixture(scope="module", params=OVERLAYS)
def with_recordings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    return extended(request.param, tmp_path_factory.mktemp("mine"), "jobs", "recordings")


def recorded(values: dict[str, str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """The settings of a process with these variables."""
    for name, value in values.items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    return load(env_file=folder / ".env")


def test_the_place_is_where_the_settings_name_it_and_others_do_not_see_it(
    with_recordings: list[Object], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (said,) = (
        each["data"]
        for each in with_recordings
        if each["kind"] == "ConfigMap" and "lipstream-settings" in name_of(each)
    )
    settings = recorded(said, monkeypatch, tmp_path)
    assert (settings.record, settings.recordings_keep_days) == ("asked", 30)
    for workload in (each for each in with_recordings if each["kind"] == "Deployment"):
        pod, sees = pod_of(workload), name_of(workload) in SEEN_BY
        claims = {each["name"]: each["persistentVolumeClaim"] for each in pod["volumes"] if "persistent" in str(each)}
        assert (claims.get("recordings") == {"claimName": "recordings"}) == sees, name_of(workload)
        mount = {"name": "recordings", "mountPath": settings.recordings_url}
        assert (mount in pod["containers"][0]["volumeMounts"]) == sees, name_of(workload)


def test_kubernetes_knows_every_field(with_recordings: list[Object]) -> None:
    changed = [each for each in with_recordings if name_of(each) in {*SEEN_BY, "recordings"}]
    assert {each["kind"] for each in changed} >= {"Deployment", "PersistentVolumeClaim"}
    for each in (each for each in changed if each["kind"] in ("Deployment", "PersistentVolumeClaim")):
        kubernetes_validate.validate(each, "1.31", strict=True)


def test_without_background_jobs_gateways_record_all_the_same(tmp_path: Path) -> None:
    before = {(each["kind"], name_of(each)) for each in objects("prod-cpu") if each["kind"] != "ConfigMap"}
    built = extended("prod-cpu", tmp_path, "recordings")
    added = {(each["kind"], name_of(each)) for each in built if each["kind"] != "ConfigMap"} - before
    assert added == {("PersistentVolumeClaim", "recordings")}
    (gateway,) = (each for each in built if each["kind"] == "Deployment" and name_of(each) == "gateway")
    assert "recordings" in str(pod_of(gateway)["volumes"])


def test_one_machine_keeps_them_in_a_volume_of_the_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = compose.environment(compose.services()["gateway-1"])
    settings = recorded(values, monkeypatch, tmp_path)
    assert (settings.record, settings.recordings_keep_days) == ("off", 30)
    for name, service in compose.ours().items():
        sees = f"recordings:{settings.recordings_url}" in service.get("volumes", ())
        assert sees == (name.partition("-")[0] in SEEN_BY), name
    assert compose.compose()["volumes"]["recordings"] == {}


def test_the_image_makes_the_place_for_its_user_whom_a_new_volume_belongs_to() -> None:
    place = Path(compose.environment(compose.services()["jobs"])["LIPSTREAM_RECORDINGS_URL"])
    assert said("places", "RUN") == [f"mkdir /places /places/{place.name}"]
    assert f"--from=places --chown={USER} /places/ {place.parent}/" in said("runtime", "COPY")
