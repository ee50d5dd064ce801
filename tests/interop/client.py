"""A plain client of the bus: pika, protobuf and the .proto files, nothing of Trunkline's.

    client.py AMQP_URL PROTO_FOLDER

Takes one request a line from stdin, gives one answer a line to stdout, both JSON; ends when stdin does.
A wrong request ends it with a traceback on stderr. Messages are JSON as protobuf prints it.
"""

import json
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import pika
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from grpc_tools import protoc

PATIENCE = 20  # seconds


class Model:
    """The messages that a folder of .proto files describes, by their full names."""

    def __init__(self, folder):
        sources = [str(source) for source in Path(folder).rglob("*.proto")]
        with tempfile.TemporaryDirectory() as work:
            compiled = Path(work, "model")
            roots = [f"-I{folder}", f"-I{files('grpc_tools') / '_proto'}"]
            asked = ["protoc", *roots, "--include_imports", f"--descriptor_set_out={compiled}", *sources]
            if protoc.main(asked) != 0:
                sys.exit("the .proto files do not compile")
            described = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes())
        self.pool = descriptor_pool.DescriptorPool()
        for file in described.file:
            self.pool.Add(file)

    def empty(self, name):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))()

    def encode(self, name, fields):
        return json_format.ParseDict(fields, self.empty(name), descriptor_pool=self.pool).SerializeToString()

    def decode(self, name, body):
        message = self.empty(name)
        message.ParseFromString(body)
        return json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=self.pool)


class Client:
    """One connection; its publishing is confirmed and mandatory."""

    def __init__(self, url, model):
        self.model = model
        self.channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
        self.channel.confirm_delivery()

    def listen(self, queue, exchange, key):
        """Makes a queue of its own that receives from an exchange."""
        self.channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
        self.channel.queue_bind(queue, exchange, key)
        return {}

    def receive(self, queue):
        """Takes the next message off a queue; one without a type is not decoded."""
        method, properties, body = next(self.channel.consume(queue, inactivity_timeout=PATIENCE))
        if method is None:
            sys.exit(f"nothing came to queue {queue} in {PATIENCE} s")
        self.channel.basic_ack(method.delivery_tag)
        self.channel.cancel()
        told = {name: value for name, value in vars(properties).items() if value is not None}
        return {
            "routing_key": method.routing_key,
            "headers": told.pop("headers", {}),
            "properties": told,
            "message": properties.type and self.model.decode(properties.type, body),
            "body": body.hex(),
        }

    def publish(self, exchange, routing_key, properties, body=None, encode=None, message=None):
        """Publishes a body given in hex, or a message encoded as the type that `encode` names."""
        content = bytes.fromhex(body) if encode is None else self.model.encode(encode, message)
        try:
            properties = pika.BasicProperties(**properties)
            self.channel.basic_publish(exchange, routing_key, content, properties, mandatory=True)
            outcome = "confirmed"
        except pika.exceptions.UnroutableError:
            outcome = "returned"
        except pika.exceptions.NackError:
            outcome = "refused"
        return {"outcome": outcome, "body": content.hex()}


def main(url, folder):
    client = Client(url, Model(folder))
    verbs = {"listen": client.listen, "receive": client.receive, "publish": client.publish}
    for line in sys.stdin:
        request = json.loads(line)
        answer = verbs[request.pop("do")](**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
