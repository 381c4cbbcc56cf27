"""From the queue to runners: queueing.py decides, controller.py acts. Sees ports alone."""

from service.controller.controller import Controller

__all__ = ["Controller"]
