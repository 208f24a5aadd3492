"""How Spark reaches a lake on S3: by Hadoop's connector S3A, told what the settings and the environment say of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.settings import Settings

_ENDPOINT, _PATH_STYLE = "fs.s3a.endpoint", "fs.s3a.path.style.access"
_KEYS = _KEY, _SECRET, _TOKEN = "fs.s3a.access.key", "fs.s3a.secret.key", "fs.s3a.session.token"
# What S3A calls it, and by which names, after AWS_, a lake's options and the environment may say it; the first counts.
_NAMES = {
    _ENDPOINT: ("endpoint_url_s3", "endpoint_url", "endpoint"),
    "fs.s3a.endpoint.region": ("region", "default_region"),
    _KEY: ("access_key_id",),
    _SECRET: ("secret_access_key",),
    _TOKEN: ("session_token", "token"),
}
# Where no keys are given, each of Spark's processes looks for its own in the usual places: a profile, a token, the
# container, the machine.
_USUAL_CHAIN = {
    "fs.s3a.aws.credentials.provider": "software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider"
}
_OF_HADOOP = "spark.hadoop."


def connector(url: str, settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """What Spark's readers are told of the store that the lake at `url` is on; nothing for a folder.

    Options of the lake win over the environment, and `spark.hadoop.fs.s3a.…` among the options of Spark over both. A
    Spark Connect server is told nothing, so that no key goes over the network: it reaches the store with what it has
    itself. Raises LakeError for a store that is not S3.
    """
    scheme = urlsplit(url).scheme if "://" in url else "file"
    if scheme not in ("file", "s3", "s3a"):
        raise LakeError(
            f"the lake at {url} is on a store that --engine spark does not read: leave the option out, or copy the "
            "lake to S3 or to a folder that all workers share"
        )
    if scheme == "file" or settings.spark.master.startswith("sc://"):
        return {}
    of_aws = {name: value for name, value in environment.items() if name.startswith("AWS_")}
    told: dict[str, str] = {}
    for source in (of_aws, settings.lake.storage_options):
        found = _told_by(source)
        if _KEY in found:
            # A key goes with the secret and token that it was given with.
            told = {option: value for option, value in told.items() if option not in _KEYS}
        told |= found
    if _ENDPOINT in told:
        told.setdefault(_PATH_STYLE, "true")
    if _KEY not in told:
        told |= _USUAL_CHAIN
    return {
        option: value for option, value in told.items() if _OF_HADOOP + option not in settings.spark.options
    }


def _told_by(source: Mapping[str, str]) -> dict[str, str]:
    said = {name.lower().removeprefix("aws_"): value for name, value in source.items() if value}
    told = {
        option: next(said[name] for name in names if name in said)
        for option, names in _NAMES.items()
        if said.keys() & {*names}
    }
    if virtual := said.get("virtual_hosted_style_request", ""):
        told[_PATH_STYLE] = "false" if virtual.lower() == "true" else "true"
    return told


def lacks_connector(error: Exception) -> bool:
    """True where Spark says that it has no connector S3A."""
    return "S3AFileSystem not found" in str(error)


def how_to_connect() -> str:
    """What to do where it has none: the connector goes with the version of Hadoop that this Spark brings."""
    import pyspark

    jars = (Path(pyspark.__file__).parent / "jars").glob("hadoop-client-api-*.jar")
    version = next((jar.stem.removeprefix("hadoop-client-api-") for jar in jars), "VERSION")
    return (
        f'Spark has no connector for S3: add "spark.jars.packages" = "org.apache.hadoop:hadoop-aws:{version}" to the '
        "options of [spark], or put that and what it needs where Spark's own jars are"
    )
