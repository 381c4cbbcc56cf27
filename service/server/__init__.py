"""The HTTP API: FastAPI over the source of a home's store. Only this room knows FastAPI, uvicorn and Prometheus.

factory.py    the app                       studies.py, trials.py, catalog.py, admin.py, system.py   its routes
admission.py  who asks, and may they        limits.py    token buckets          bodies.py    how large a request may be
lanes.py      how much is done at once      connections.py   heads that do not come, answers that nobody reads
faults.py     errors as answers             answers.py   JSON, ETags            events.py    server-sent events
documentation.py   the page /docs
metrics.py    for Prometheus                running.py   uvicorn, to its end    supervisor.py the controller's process
"""
