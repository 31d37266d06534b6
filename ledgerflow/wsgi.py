"""
The web server's entry (gunicorn ledgerflow.wsgi).

Production by default, and never with the embedded database: a server names its own.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledgerflow.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()

from apps.core.startup import refuse_unfit_database

refuse_unfit_database()
