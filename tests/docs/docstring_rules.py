"""The rules for public docstrings, checked without importing the code. Used by test_docstring_rules.py.

The rules are those of numpydoc, read by the parser of the documentation site, so that the site, editors
and `help()` show every parameter. `faults_of` returns all faults of one docstring.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import griffe

import pagebuddy.errors

# In the order that numpydoc prescribes.
SECTIONS = (
    "Parameters",
    "Attributes",
    "Returns",
    "Yields",
    "Raises",
    "Warns",
    "See Also",
    "Notes",
    "References",
    "Examples",
)

# Verbs that end with an s in the imperative.
ENDING_WITH_S = {
    "access",
    "address",
    "bypass",
    "compress",
    "discuss",
    "express",
    "focus",
    "pass",
    "process",
}

# First words of summaries that describe a call instead of saying what it does.
NO_VERB = re.compile(
    "a|all|an|any|as|for|how|if|it|its|one|the|this|true|what|when|where|whether|which|who|with"
)

# Special methods that the reference explains, because people call them by an operator.
OPERATORS = {"__getitem__", "__setitem__", "__delitem__", "__contains__"}

# Classes that callers get from a method of `Arena` and do not construct.
NOT_CONSTRUCTED = {"ArenaQueue", "ArenaRecording", "ArenaTopic", "Subscription"}


def documented(package: griffe.Module, path: str) -> Iterator[tuple[str, griffe.Object]]:
    """Return the object at a path and, if it is a class, all its public members."""
    found = resolved(package[path.partition(".")[2]])
    yield path, found
    if isinstance(found, griffe.Class):
        for name, member in sorted(found.all_members.items()):
            if not name.startswith("_") or name in OPERATORS:
                target = resolved(member)
                if isinstance(target, griffe.Function) or "property" in target.labels:
                    yield f"{path}.{name}", target


def resolved(thing: griffe.Object | griffe.Alias) -> griffe.Object:
    return thing.final_target if isinstance(thing, griffe.Alias) else thing


def faults_of(thing: griffe.Object) -> list[str]:
    """Return all faults in the docstring of a function, a property or a class."""
    if thing.docstring is None or not thing.docstring.value:
        return ["has no docstring"]
    text = thing.docstring.value
    with warnings_of_griffe() as warnings:
        sections = thing.docstring.parse("numpy", warn_missing_types=False)
    return [
        *faults_of_summary(thing, text),
        *faults_of_headings(text),
        *faults_of_parameters(thing, sections),
        *faults_of_results(thing, sections),
        *faults_of_exceptions(sections),
        *(f"cannot be parsed: {warning}" for warning in warnings),
    ]


def faults_of_summary(thing: griffe.Object, text: str) -> Iterator[str]:
    summary, _, rest = text.partition("\n")
    if rest and not rest.startswith("\n"):
        yield "the summary takes more than one line"
    elif not summary.endswith("."):
        yield "the summary does not end with a period"
    if isinstance(thing, griffe.Function):
        first = summary.split(" ")[0].rstrip(".,:;")
        word = first.lower()
        if not first.istitle() or NO_VERB.fullmatch(word):
            yield f"the summary does not start with a verb: {first!r}"
        elif word.endswith("s") and word not in ENDING_WITH_S:
            yield f"the summary is not in the imperative: {first!r}"


def faults_of_headings(text: str) -> Iterator[str]:
    headings = re.findall(r"^(\S.*)\n(-{3,})$", text, re.MULTILINE)
    for title, line in headings:
        if title not in SECTIONS:
            yield f"unknown section {title!r}"
        if len(title) != len(line):
            yield f"the line under {title!r} has another length"
    known = [SECTIONS.index(title) for title, _ in headings if title in SECTIONS]
    if known != sorted(set(known)):
        yield "the sections are in another order than numpydoc's, or one occurs twice"


def faults_of_parameters(
    thing: griffe.Object, sections: list[griffe.DocstringSection]
) -> Iterator[str]:
    expected = parameters_of(thing)
    entries = items(sections, griffe.DocstringSectionKind.parameters)
    written = [entry.name.lstrip("*") for entry in entries]
    # If the arguments of a class become its attributes, explaining those is enough.
    attributes = {entry.name for entry in items(sections, griffe.DocstringSectionKind.attributes)}
    explained = {*written, *attributes} if isinstance(thing, griffe.Class) else set(written)
    for name in expected:
        if name not in explained and thing.name not in NOT_CONSTRUCTED:
            yield f"parameter {name!r} is not explained"
    for name in written:
        if name not in expected:
            yield f"explains parameter {name!r}, which does not exist"
    for entry in entries:
        if str(entry.annotation) in ("None", "optional"):
            yield f"parameter {entry.name!r} has no type"
        if not entry.description.strip():
            yield f"parameter {entry.name!r} has no text"
    if isinstance(thing, griffe.Class):
        constructor = thing.members.get("__init__")
        told = getattr(constructor, "docstring", None)
        # Cython shows the parameters of a constructor only if it has a docstring.
        if told is not None and "the class describes the parameters" not in told.value:
            yield "__init__ has a docstring, which belongs to the class"


def parameters_of(thing: griffe.Object) -> list[str]:
    """Return the names of the parameters that a caller passes."""
    if isinstance(thing, griffe.Class):
        constructor = thing.all_members.get("__init__")
        return parameters_of(resolved(constructor)) if constructor is not None else []
    if not isinstance(thing, griffe.Function):
        return []
    names = [parameter.name for parameter in thing.parameters]
    is_method = isinstance(thing.parent, griffe.Class) and "staticmethod" not in thing.labels
    # Hypothesis passes the first parameter of a composite strategy itself.
    is_composite = any(str(mark.value).endswith("composite") for mark in thing.decorators)
    return names[1:] if is_method or is_composite else names


def faults_of_results(
    thing: griffe.Object, sections: list[griffe.DocstringSection]
) -> Iterator[str]:
    if isinstance(thing, griffe.Function) and str(thing.returns) not in (
        "None",
        "Never",
        "NoReturn",
    ):
        kinds = {section.kind for section in sections}
        if not kinds & {griffe.DocstringSectionKind.returns, griffe.DocstringSectionKind.yields}:
            yield "has no section Returns"


def faults_of_exceptions(sections: list[griffe.DocstringSection]) -> Iterator[str]:
    for entry in items(sections, griffe.DocstringSectionKind.raises):
        for name in re.findall(r"[\w.]+", str(entry.annotation)):
            if not is_exception(name):
                yield f"Raises names {name!r}, which is not an exception"
        if not entry.description.strip():
            yield f"Raises does not say when {entry.annotation}"


def is_exception(name: str) -> bool:
    module, _, last = name.rpartition(".")
    homes = [importlib.import_module(module)] if module else [builtins, pagebuddy.errors]
    values = [getattr(home, last, None) for home in homes]
    return any(inspect.isclass(value) and issubclass(value, BaseException) for value in values)


def items(sections: list[griffe.DocstringSection], kind: griffe.DocstringSectionKind) -> list:
    return [item for section in sections if section.kind is kind for item in section.value]


@contextmanager
def warnings_of_griffe() -> Iterator[list[str]]:
    """Collect the parser's warnings, without file and line."""
    told: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage().rpartition(": ")[2])

    logger = logging.getLogger("griffe")
    handler = Collect(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)
