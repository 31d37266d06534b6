"""
Copies off site: tested backups, and the archive of point-in-time recovery, in a bucket elsewhere.

What lies here stays plain; what leaves the machine is encrypted for the recipients of the settings. In the
bucket everything has the path it has here, with ``.age`` after it when it is encrypted:

    NAME                        the dump
    manifests/…, results/…      what belongs to it
    media/ab/abcd…              each media file once
    NAME.metadata               always plain, written last: without it a copy is unfinished
    archive/…                   the archive; a base backup is one tar

Beside the backups lie ``offsite/NAME.json`` (what was copied), ``offsite/media.jsonl`` and
``offsite/archive.jsonl`` (an object a line) and ``offsite/keys.json`` (whose key was proven, and when).
"""
