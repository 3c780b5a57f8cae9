"""An independent client takes photographs out of a vault that Darkslide filled: boto3 finds the
archives in the vault's inventory, retrieves them, and holds their bytes against the tree hash as
botocore computes it. Nothing of Darkslide is used.

    vault_client.py ENDPOINT VAULT FOLDER

Writes each archive to FOLDER/ID, and prints a JSON list of what the inventory said of it.
"""

import hashlib
import io
import json
import pathlib
import sys
import urllib.request

import boto3
from botocore.utils import calculate_tree_hash


def turn_clock(endpoint, hours):
    """The simulator's own clock; a real vault needs patience instead."""
    body = json.dumps({"advance_seconds": hours * 3600}).encode()
    request = urllib.request.Request(f"{endpoint}/_coldsim/clock", data=body, method="POST")
    urllib.request.urlopen(request).read()


def output_of(glacier, vault, job):
    described = glacier.describe_job(vaultName=vault, jobId=job)
    assert described["Completed"] and described["StatusCode"] == "Succeeded", described
    answer = glacier.get_job_output(vaultName=vault, jobId=job)
    return answer["body"].read(), answer.get("checksum")


def main(endpoint, vault, folder):
    glacier = boto3.client("glacier", endpoint_url=endpoint, region_name="us-east-1")
    turn_clock(endpoint, 26)
    ask = {"Type": "inventory-retrieval", "Format": "JSON"}
    job = glacier.initiate_job(vaultName=vault, jobParameters=ask)["jobId"]
    turn_clock(endpoint, 6)
    inventory, _ = output_of(glacier, vault, job)
    archives = json.loads(inventory)["ArchiveList"]
    jobs = []
    for archive in archives:
        ask = {"Type": "archive-retrieval", "ArchiveId": archive["ArchiveId"], "Tier": "Standard"}
        jobs.append(glacier.initiate_job(vaultName=vault, jobParameters=ask)["jobId"])
    turn_clock(endpoint, 6)
    for archive, job in zip(archives, jobs):
        body, told = output_of(glacier, vault, job)
        computed = calculate_tree_hash(io.BytesIO(body))
        assert computed == archive["SHA256TreeHash"], "the tree hash of the inventory is another"
        assert told in (None, computed), "the tree hash of the output is another"
        assert len(body) == archive["Size"]
        pathlib.Path(folder, archive["ArchiveId"]).write_bytes(body)
        archive["SHA256"] = hashlib.sha256(body).hexdigest()
    print(json.dumps(archives))


if __name__ == "__main__":
    main(*sys.argv[1:])
