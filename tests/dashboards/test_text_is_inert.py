"""No part of the dashboard gives text of a record to what renders markup."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dashboards
from dashboards import way_back

FILES = sorted(Path(dashboards.__file__).parent.rglob("*.py"))
BANNED = {
    "write",
    "html",
    "latex",
    "table",
    "chat_message",
    "write_stream",
    "graphviz_chart",
    "image",
    "iframe",
}

# Their labels are markup too, so no text of a record may be in them; these are what makes it fit to be seen.
LABELS = {
    "caption",
    "badge",
    "expander",
    "page_link",
    "toast",
    "button",
    "metric",
    "popover",
    "download_button",
}
# Texts of that file alone, in which nothing is put.
OWN_SCRIPTS = {f"st.html({name}, unsafe_allow_javascript=True)" for name in ("_KEEP", "_GO")}
SHOWN = {"one_line", "visible", "what", "from_bytes"}


def constant(node: ast.expr) -> bool:
    """Whether the text is ours: written in the source, or a choice between such."""
    if isinstance(node, ast.IfExp):
        return constant(node.body) and constant(node.orelse)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def renders_markup(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name = node.func.attr
        if any(keyword.arg == "unsafe_allow_html" for keyword in node.keywords):
            found.append(f"line {node.lineno}: unsafe_allow_html")
        if ast.unparse(node) in OWN_SCRIPTS:
            continue
        if name in BANNED and ast.unparse(node.func.value) != "sys.stdout":
            found.append(f"line {node.lineno}: {name}")
        if name in LABELS:
            asked = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "label")]
            called = {
                ast.unparse(each.func)
                for arg in asked
                for each in ast.walk(arg)
                if isinstance(each, ast.Call)
            }
            found += [f"line {node.lineno}: {name} of {each}" for each in sorted(called & SHOWN)]
        if name in ("markdown", "subheader", "header", "info", "error", "warning", "success") and not all(
            constant(each) for each in node.args
        ):
            ours = isinstance(node.args[0], ast.Name) and node.args[0].id == "heading"
            found += [] if ours else [f"line {node.lineno}: {name} of what is not written here"]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_only_our_own_text_is_rendered_as_markup(path: Path) -> None:
    assert renders_markup(path.read_text(encoding="utf-8")) == []


def test_only_the_way_back_runs_scripts_and_they_are_written_in_it() -> None:
    running = [path.name for path in FILES if "unsafe_allow_javascript" in path.read_text(encoding="utf-8")]
    assert running == ["way_back.py"]
    tree = ast.parse(Path(way_back.__file__).read_text(encoding="utf-8"))
    assigned = {
        ast.unparse(node.targets[0]): constant(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    assert assigned == {"_KEEP": True, "_GO": True}


@pytest.mark.parametrize(
    "source",
    [
        "st.markdown(title)",
        "st.markdown(f'**{x}**')",
        "st.write('a')",
        "st.text('a', unsafe_allow_html=True)",
        "left.table(x)",
        "st.caption(f'by {one_line(x)}')",
        "st.page_link('a.py', label=visible(x))",
    ],
)
def test_the_check_finds_what_it_is_for(source: str) -> None:
    assert renders_markup(source)
