"""From the queue to runners: queue.py decides, controller.py acts. Sees ports alone."""

from goodfit.service.controller.controller import Controller

__all__ = ["Controller"]
