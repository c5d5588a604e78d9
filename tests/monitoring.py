"""The queries of examples/monitoring."""

import json
import re
from collections.abc import Iterator

import promql_parser
import yaml
from promql_parser import Expr, VectorSelector

from testbed import CHECKOUT

MONITORING = CHECKOUT / "examples" / "monitoring"
RULES = MONITORING / "prometheus" / "rules.yaml"
DASHBOARD = MONITORING / "grafana" / "dashboard.json"

QUERY_IN_TEXT = re.compile(r'printf\s+"(.*?)"')
LABEL_VALUES = re.compile(r"label_values\((\w+), (\w+)\)")


def queries() -> Iterator[str]:
    """Return the queries of the alerts, of their descriptions, of the panels and of the variables."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]
            yield from (
                found.replace("%q", '"a"') for found in QUERY_IN_TEXT.findall(rule["annotations"]["description"])
            )
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"].replace("$__rate_interval", "5m") for target in panel.get("targets", []))
    for variable in dashboard["templating"]["list"]:
        if found := LABEL_VALUES.fullmatch(variable.get("definition", "")):
            yield f"sum by ({found[2]}) ({found[1]}{{{found[2]}!=''}})"


def selectors() -> set[tuple[str, frozenset[str]]]:
    """Return the metric of each selector and the labels that it matches."""
    found: set[tuple[str, frozenset[str]]] = set()

    def visit(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.add((node.name or "", frozenset(matcher.name for matcher in node.matchers.matchers)))

    for query in queries():
        promql_parser.walk(promql_parser.parse(query), visit)
    return found
