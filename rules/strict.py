"""Strict documents: every fault of a JSON document at once, each with its pointer and what to do about it.

msgspec decodes valid documents fast but stops at the first fault. This module walks a refused document
again beside its type and lists them all, so that an author mends a document in one go. It knows types
only; what a value means (a window that never opens, a rule that does not compile) is its owner's business.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict, TypeVar, Union

import msgspec
from msgspec import inspect

T = TypeVar("T")


class Fault(TypedDict):
    """One thing wrong: where (RFC 6901 pointer), a stable code, and a sentence that says what to do."""

    pointer: str
    code: str
    detail: str


class DocumentErrors(ValueError):
    """A document was refused. ``errors`` lists every fault that was found."""

    def __init__(self, errors: Iterable[Fault]) -> None:
        """``errors`` must not be empty."""
        self.errors = list(errors)
        super().__init__("; ".join(f"{e['pointer'] or '/'}: {e['detail']}" for e in self.errors))


def fault(pointer: str, code: str, detail: str) -> Fault:
    """A fault; ``pointer`` is "" for the whole document."""
    return {"pointer": pointer, "code": code, "detail": detail}


def at(pointer: str, *steps: object) -> str:
    """The JSON pointer of a member: ``at("/a", "b/c", 0)`` is ``/a/b~1c/0``."""
    return pointer + "".join("/" + str(s).replace("~", "~0").replace("/", "~1") for s in steps)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or lists them all when none is near."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}"


def decode(document: object, kind: type[T]) -> T:
    """``document`` (JSON bytes, text or parsed) as ``kind``. Raises DocumentErrors with every fault."""
    if isinstance(document, (bytes, bytearray, str)):
        try:
            document = msgspec.json.decode(document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DocumentErrors([fault("", "malformed_json", f"This is not JSON: {error}.")]) from None
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        found = list(faults(document, inspect.type_info(kind), ""))
        raise DocumentErrors(found or [fault("", "invalid_value", f"{error}.")]) from None


def faults(value: object, expected: inspect.Type, pointer: str) -> Iterator[Fault]:
    """Every way in which ``value`` is not of type ``expected``, depth first."""
    if isinstance(expected, inspect.Metadata):
        expected = expected.type
    if isinstance(expected, inspect.UnionType):
        expected = _branch(value, expected)
    if isinstance(expected, inspect.StructType) and isinstance(value, Mapping):
        yield from _struct_faults(value, expected, pointer)
    elif isinstance(expected, inspect.DictType) and isinstance(value, Mapping):
        for key, member in value.items():
            yield from _leaf_faults(key, expected.key_type, at(pointer, key))
            yield from faults(member, expected.value_type, at(pointer, key))
    elif isinstance(expected, (inspect.VarTupleType, inspect.ListType)) and isinstance(value, list):
        found = [f for i, member in enumerate(value) for f in faults(member, expected.item_type, at(pointer, i))]
        yield from found or _leaf_faults(value, expected, pointer)
    else:
        yield from _leaf_faults(value, expected, pointer)


def _struct_faults(value: Mapping[str, Any], expected: inspect.StructType, pointer: str) -> Iterator[Fault]:
    fields = {f.encode_name: f for f in expected.fields}
    for name, member in value.items():
        known = fields.get(name)
        if known is None:
            yield fault(at(pointer, name), "unknown_field", f"There is no field {name!r} here; {nearest(name, fields)}")
        else:
            yield from faults(member, known.type, at(pointer, name))
    for name, field in fields.items():
        if field.required and name not in value:
            yield fault(at(pointer, name), "missing_field", f"The field {name!r} is required.")


def _leaf_faults(value: object, expected: inspect.Type, pointer: str) -> Iterator[Fault]:
    try:
        msgspec.convert(value, _python_type(expected))
    except msgspec.ValidationError as error:
        text = str(error).split(" - at `")[0]
        if isinstance(expected, inspect.EnumType):
            text += f"; {nearest(str(value), [str(m.value) for m in expected.cls])}"
        elif isinstance(expected, inspect.LiteralType):
            text += f"; {nearest(str(value), [str(v) for v in expected.values])}"
        yield fault(pointer, "invalid_value", text if text.endswith("?") else f"{text}.")


def _branch(value: object, union: inspect.UnionType) -> inspect.Type:
    """The branch of an optional that a value was meant for: the one that is not null."""
    others = [t for t in union.types if not isinstance(t, inspect.NoneType)]
    if value is None or len(others) != 1:
        return union
    return others[0]


def _python_type(expected: inspect.Type) -> Any:
    """The annotation that an inspected type came from, constraints included."""
    match expected:
        case inspect.StructType(cls) | inspect.EnumType(cls):
            return cls
        case inspect.LiteralType(values):
            return Literal[tuple(values)]
        case inspect.StrType(min_length, max_length, pattern):
            return _annotated(str, min_length=min_length, max_length=max_length, pattern=pattern)
        case inspect.IntType(gt, ge, lt, le, multiple_of):
            return _annotated(int, gt=gt, ge=ge, lt=lt, le=le, multiple_of=multiple_of)
        case inspect.FloatType(gt, ge, lt, le, multiple_of):
            return _annotated(float, gt=gt, ge=ge, lt=lt, le=le, multiple_of=multiple_of)
        case inspect.Metadata(inner):
            return _python_type(inner)
        case inspect.BoolType():
            return bool
        case inspect.NoneType():
            return None
        case inspect.VarTupleType(item_type, min_length, max_length):
            items: Any = tuple.__class_getitem__((_python_type(item_type), ...))
            return _annotated(items, min_length=min_length, max_length=max_length)
        case inspect.DictType(key_type, value_type, min_length, max_length):
            kind: Any = dict.__class_getitem__((_python_type(key_type), _python_type(value_type)))
            return _annotated(kind, min_length=min_length, max_length=max_length)
        case inspect.UnionType(types):
            return Union[tuple(_python_type(t) for t in types)]  # noqa: UP007 - a union of a computed tuple
        case _:
            return Any


def _annotated(kind: Any, **limits: Any) -> Any:
    given = {name: limit for name, limit in limits.items() if limit is not None}
    return Annotated[kind, msgspec.Meta(**given)] if given else kind
