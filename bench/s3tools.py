"""The tools of the work `s3`: the same commands as elsewhere, with a bucket as the repository."""

import copy
import json
from pathlib import Path

from coldsim import ACCESS_KEY, REGION, SECRET_KEY, thaw_ratio
from darkslide import Darkslide
from measure import Job, Measured
from tools import PASSWORD, Restic, Rustic, Tool


class OnS3:
    """What a tool whose repository is a bucket has beside that of a `Tool`."""

    endpoint = bucket = ""
    # What would lie in an archive class: the keys that begin so.
    archived = ""

    def on(self, endpoint: str, bucket: str) -> "Tool":
        """A copy whose repository is this bucket."""
        bound = copy.copy(self)
        bound.endpoint, bound.bucket = endpoint, bucket
        return bound

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


class DarkslideS3(OnS3, Darkslide):
    archived = "packs/"

    def __init__(self, program: str | None, storage_class: str = "STANDARD"):
        super().__init__(program)
        self.storage_class = storage_class
        if storage_class != "STANDARD":
            self.family = self.name
            self.name = f"darkslide-{storage_class.lower().replace('_', '-')}"
            self.label = f"**darkslide**, {storage_class}"

    def init(self) -> list[Job]:
        argv = [self.program, "init", "--config", self._config, "--library", self.source]
        argv += ["--store", f"s3://{self.bucket}", "--endpoint", self.endpoint]
        argv += ["--region", REGION, "--class", self.storage_class, "--identity", self._identity]
        return [self.job(argv)]

    def quote(self, folder: str) -> Job:
        return self._run("quote", "restore", "latest", "--path", folder, "--packs", "--json")

    def _restore(self, out: Path, *arguments: str) -> Job:
        return super()._restore(out, "--yes", *arguments)


class ResticS3(OnS3, Restic):
    archived = "data/"

    def environment(self) -> dict[str, str]:
        place = {"RESTIC_REPOSITORY": f"s3:{self.endpoint}/{self.bucket}"}
        return {**super().environment(), **place}


class RusticS3(OnS3, Rustic):
    archived = "data/"

    def environment(self) -> dict[str, str]:
        own = {"RUSTIC_REPOSITORY": "opendal:s3", "RUSTIC_USE_PROFILE": str(self._profile)}
        return {**super().environment(), **own}

    def init(self) -> list[Job]:
        place = {"endpoint": self.endpoint, "bucket": self.bucket, "region": REGION}
        lines = [f"{name} = {json.dumps(value)}" for name, value in place.items()]
        self._profile.write_text("\n".join(("[repository.options]", *lines, "")))
        return super().init()

    @property
    def _profile(self) -> Path:
        return self.home / "rustic.toml"


class Rclone(OnS3, Tool):
    """One encrypted object for each file; no history, no packs."""

    name, label, program = "rclone", "rclone `crypt`", "rclone"
    version_arguments = ("version",)

    def environment(self) -> dict[str, str]:
        password = self._password.read_text().strip() if self._password.is_file() else ""
        return {
            **super().environment(),
            "RCLONE_CONFIG": str(self.home / "rclone.conf"),
            "RCLONE_CONFIG_BUCKET_TYPE": "s3",
            "RCLONE_CONFIG_BUCKET_PROVIDER": "Other",
            "RCLONE_CONFIG_BUCKET_ENV_AUTH": "true",
            "RCLONE_CONFIG_BUCKET_ENDPOINT": self.endpoint,
            "RCLONE_CONFIG_BUCKET_REGION": REGION,
            "RCLONE_CONFIG_SEALED_TYPE": "crypt",
            "RCLONE_CONFIG_SEALED_REMOTE": f"bucket:{self.bucket}",
            "RCLONE_CONFIG_SEALED_PASSWORD": password,
        }

    def init(self) -> list[Job]:
        (self.home / "rclone.conf").touch()
        return [self.job([self.program, "obscure", PASSWORD], stdout=self._password)]

    def backup(self) -> Job:
        return self.job([self.program, "sync", "-q", self.source, "sealed:"])

    def restore(self, out: Path) -> Job:
        return self.job([self.program, "copy", "-q", "sealed:", out])

    def restore_folder(self, out: Path, folder: str) -> Job:
        return self.job([self.program, "copy", "-q", f"sealed:{folder}", out])

    @property
    def _password(self) -> Path:
        return self.home / "password"


def quoted(measured: Measured) -> dict:
    """What `quote restore --json` says has to be thawed, for the bytes wanted.

    Raises ValueError when the output does not say so.
    """
    try:
        quote = json.loads(measured.last_line())
        sizes = [int(pack["size"]) for pack in quote["plan"]["packs"] if pack["how"] == "thaw"]
        wanted, dollars = int(quote["bytes"]), float(quote["total"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("`quote restore --json` did not say what has to be thawed") from error
    return {**thaw_ratio(len(sizes), sum(sizes), wanted), "quote_dollars": dollars}
