"""A study as one HTML page that needs nothing but a browser. Pure: records in, text out.

facts.py   what the page knows, as plain JSON values     answer.py      the answer and what to do next
curves.py  learning curves, thinned                      rendering.py   the page around them
page/      its HTML, CSS and JavaScript
"""

from goodfit.service.report.curves import drawn_of
from goodfit.service.report.facts import DIAGNOSIS_KEYS, ReportFacts, facts_of
from goodfit.service.report.rendering import report_html

__all__ = ["DIAGNOSIS_KEYS", "ReportFacts", "drawn_of", "facts_of", "report_html"]
