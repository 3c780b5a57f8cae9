"""Amazon SNS by moto: prints its address and a topic, then what a queue that subscribed to it got, a line of JSON each.

sns_server.py, run with a Python that has moto's server and boto3.
"""

import json
import sys
import threading

import boto3
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
keys = {"aws_access_key_id": "AKIDTEST", "aws_secret_access_key": "hush-hush-hush", "region_name": "eu-central-1"}
clients = {name: boto3.client(name, endpoint_url=f"http://{host}:{port}", **keys) for name in ("sns", "sqs")}
topic = clients["sns"].create_topic(Name="photos")["TopicArn"]
queue = clients["sqs"].create_queue(QueueName="reader")["QueueUrl"]
arn = clients["sqs"].get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
clients["sns"].subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
print(json.dumps({"endpoint": f"http://{host}:{port}", "topic": topic}), flush=True)


def read() -> None:
    while True:
        for message in clients["sqs"].receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            print(json.dumps(json.loads(message["Body"])), flush=True)
            clients["sqs"].delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


threading.Thread(target=read, daemon=True).start()
# Until the test closes its end, or ends.
sys.stdin.read()
