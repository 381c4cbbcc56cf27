"""The HTTP API: FastAPI over the source of a home's store. Only this room knows FastAPI, uvicorn and Prometheus.

factory.py          the app
studies.py, trials.py, catalog.py, admin.py, system.py    its routes
admission.py        who asks, and may they
limits.py           token buckets
lanes.py            how much is done at once
connections.py      heads that do not come, answers that nobody reads
request_bodies.py   how large a request may be
responses.py        JSON, ETags
error_responses.py  errors as answers
replies.py          the schemas of answers
events.py           server-sent events
documentation.py    the page /docs
metrics.py          for Prometheus
serve.py            uvicorn, to its end
supervisor.py       the controller's process
"""
