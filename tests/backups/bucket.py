"""A bucket on loopback for tests, and a line to it that can be cut."""

import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import boto3
from moto.server import ThreadedMotoServer

ACCESS = {"access_key": "test", "secret_key": "test", "region_name": "us-east-1"}


class Bucket:
    """A bucket of its own on a server that all tests share."""

    def __init__(self, endpoint, name):
        self.endpoint, self.name = endpoint, name
        session = boto3.Session("test", "test", region_name="us-east-1")
        self.client = session.client("s3", endpoint_url=endpoint)
        self.client.create_bucket(Bucket=name)

    def options(self, **others):
        return (
            {"bucket_name": self.name, "endpoint_url": self.endpoint, "location": "ledger"} | ACCESS | others
        )

    @property
    def names(self):
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return sorted(one["Key"].removeprefix("ledger/") for one in listed)

    def read(self, name):
        return self.client.get_object(Bucket=self.name, Key=f"ledger/{name}")["Body"].read()

    def write(self, name, content, keep_facts=True):
        key = f"ledger/{name}"
        facts = self.client.head_object(Bucket=self.name, Key=key)["Metadata"] if keep_facts else {}
        self.client.put_object(Bucket=self.name, Key=key, Body=content, Metadata=facts)

    def delete(self, name):
        self.client.delete_object(Bucket=self.name, Key=f"ledger/{name}")


@contextmanager
def server():
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        running.stop()


@contextmanager
def server_of_its_own():
    """A server in another process, so that what it remembers takes no memory here."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", code], **quiet) as process:
        try:
            until_it_answers(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def until_it_answers(port, seconds=60):
    for _try in range(seconds * 10):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise TimeoutError


@contextmanager
def line_to(endpoint, *, cut_after):
    """Give an address that leads to a server, and goes dead once so many bytes were sent on a connection."""
    host, port = endpoint.removeprefix("http://").split(":")
    listening = socket.create_server(("127.0.0.1", 0))

    def pass_on(source, target, most):
        passed = 0
        with suppress(OSError):
            while (chunk := source.recv(2**16)) and passed < most:
                target.sendall(chunk)
                passed += len(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(here):
        with here, socket.create_connection((host, int(port))) as there:
            back = threading.Thread(target=pass_on, args=(there, here, float("inf")))
            back.start()
            pass_on(here, there, cut_after)
            back.join()

    def listen():
        with suppress(OSError):
            while True:
                here, _address = listening.accept()
                threads.append(threading.Thread(target=serve, args=(here,)))
                threads[-1].start()

    threads = [threading.Thread(target=listen)]
    threads[0].start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        for thread in threads:
            thread.join()
