"""Studies as HTML pages that need nothing but a browser: one, or several compared. Pure: records in, text out.

facts.py   what a report knows, as plain JSON values     answer.py      the answer and what to do next
curves.py  learning curves, thinned                      comparison.py  the page of studies side by side
page/      HTML, CSS and JavaScript of both pages        rendering.py   the page around either
"""

from goodfit.service.report.comparison import comparison_html
from goodfit.service.report.curves import drawn_of
from goodfit.service.report.facts import DIAGNOSIS_KEYS, ReportFacts, facts_of
from goodfit.service.report.rendering import report_html

__all__ = ["DIAGNOSIS_KEYS", "ReportFacts", "comparison_html", "drawn_of", "facts_of", "report_html"]
