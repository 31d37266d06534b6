"""gunicorn in the production container; the number of processes is WEB_CONCURRENCY.

One request a process at a time, never threads: Unfold keeps request state on its admin instances. A proxy
that buffers requests stands in front, so a slow client does not hold a process (docs/containers.md).
"""

bind = "0.0.0.0:8000"  # noqa: S104 (inside the container; the compose file decides who reaches it)
worker_class = "sync"

# What takes longer belongs into a job. The proxy waits a little longer, so that this limit is what ends it.
timeout = 120
graceful_timeout = 30

# Memory that large pages leave behind goes back to the system; the jitter spreads the new starts.
max_requests = 1000
max_requests_jitter = 200

# A heartbeat file on a slow disk would look like a hanging process.
worker_tmp_dir = "/dev/shm"  # noqa: S108 (private to the container)
control_socket_disable = True  # nobody uses it, and the file system is read-only

# The client as the proxy saw it, and the path without its query, which may name people.
accesslog = "-"  # the container's log, as the errors are
access_log_format = '%({x-forwarded-for}i)s "%(m)s %(U)s" %(s)s %(B)s bytes %(M)s ms'
