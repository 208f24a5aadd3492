"""How Spark reaches a lake on S3: by Hadoop's connector S3A, told what the settings and the environment say of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schemas.errors import LakeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.settings import Settings

# What S3A calls it, and by which names, after AWS_, a lake's options and the environment may say it; the first counts.
_NAMES = {
    "fs.s3a.endpoint": ("endpoint_url_s3", "endpoint_url", "endpoint"),
    "fs.s3a.endpoint.region": ("region", "default_region"),
    "fs.s3a.access.key": ("access_key_id",),
    "fs.s3a.secret.key": ("secret_access_key",),
    "fs.s3a.session.token": ("session_token", "token"),
}
_STYLE = "fs.s3a.path.style.access"
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
    said = {
        name.lower().removeprefix("aws_"): value
        for source in (environment, settings.lake.storage_options)
        for name, value in source.items()
        if source is not environment or name.startswith("AWS_")
    }
    told = {
        option: value
        for option, names in _NAMES.items()
        if (value := next(filter(None, map(said.get, names)), None))
    }
    if "fs.s3a.endpoint" in told:
        told[_STYLE] = "false" if said.get("virtual_hosted_style_request", "").lower() == "true" else "true"
    if "fs.s3a.access.key" not in told:
        told |= _USUAL_CHAIN
    return {
        option: value for option, value in told.items() if _OF_HADOOP + option not in settings.spark.options
    }


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
