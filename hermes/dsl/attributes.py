"""Attributes of rules: what kinds there are, and what value each takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from hermes.dsl.dialect.values import Builtin, EvalError, Namespace, described, sequence, show
from hermes.dsl.mounts import Bind, Mounted, SecretMount, as_mount, as_secret, binds
from hermes.dsl.providers import LabelValue, Provider
from hermes.dsl.selects import Select
from hermes.graph.label import Label
from hermes.layer.entry import LARGEST_ID

ToLabel = Callable[[str], Label]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: the name of its ``kind`` (see `KINDS`), and what is asked of its value.

    ``providers`` are lists of which a target must provide all of one; ``files`` tells whether files may
    stand where targets do. ``each_platform`` names an attribute with platforms: the implementation then gets a list
    of the target as it is for each of them. ``optional`` tells whether the value is None when none is given, and
    not the empty one of the kind.
    """

    kind: str
    default: Any = None
    mandatory: bool = False
    doc: str = ""
    values: tuple[Any, ...] = ()
    providers: tuple[tuple[Provider, ...], ...] = ()
    files: bool = False
    empty: bool = True
    each_platform: str = ""
    optional: bool = False

    dsl_type: ClassVar[str] = "Attribute"
    dsl_attributes: ClassVar[frozenset[str]] = frozenset()

    @property
    def has_labels(self) -> bool:
        return self.kind in _LABEL_KINDS

    def checked(self, value: Any, to_label: ToLabel) -> Any:
        """Return ``value`` in the form that the attribute keeps; raises `EvalError` when it does not fit."""
        if value is None:
            if self.mandatory:
                raise EvalError("must be given")
            return self.initial()
        if type(value) is Select:
            for one in value.possible():
                if one is not None:
                    self._check_one(one, to_label)
            return value.of_package(to_label)
        return self._check_one(value, to_label)

    def initial(self) -> Any:
        """Return the value when none is given."""
        if self.default is not None:
            return self.default
        if self.optional:
            return None
        empty = KINDS[self.kind].empty
        return empty() if callable(empty) else empty

    def _check_one(self, value: Any, to_label: ToLabel) -> Any:
        found = KINDS[self.kind].check(value, to_label)
        if self.values and found not in self.values:
            known = ", ".join(map(show, self.values))
            raise EvalError(f"must be one of {known}, not {show(value)}")
        if not self.empty and not found:
            raise EvalError("must not be empty")
        return found


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of a kind of attribute are checked, and what stands for none: a value, or what makes it."""

    check: Callable[[Any, ToLabel], Any]
    empty: Any = None


def labels_of(attribute: Attribute, value: Any) -> Iterator[Label]:
    """Yield the labels in the (decided) value of an attribute."""
    if value is None:
        return
    if attribute.kind == "label":
        yield value
    elif attribute.kind == "mount_list":
        yield from (one.source for one in binds(value))
    elif attribute.kind in ("label_dict", "label_list", "path_label_dict"):
        yield from value.values() if isinstance(value, Mapping) else value


def _expect(value: Any, kind: type, name: str) -> Any:
    if type(value) is not kind:
        raise EvalError(f"must be {name}, not {described(value)} ({_short(value)})")
    return value


def _short(value: Any) -> str:
    text = show(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _string(value: Any, _: ToLabel) -> str:
    found: str = _expect(value, str, "a string")
    if "\0" in found:
        raise EvalError("must not hold a NUL character")
    return found


def _int(value: Any, _: ToLabel) -> int:
    found: int = _expect(value, int, "an int")
    return found


def _bool(value: Any, _: ToLabel) -> bool:
    found: bool = _expect(value, bool, "True or False")
    return found


def _label(value: Any, to_label: ToLabel) -> Label:
    if type(value) is LabelValue:
        return value.label
    text = _expect(value, str, "a label")
    if "://" in text:
        raise EvalError(f"must be a label, not {show(text)}", _declared(*text.split("://", 1)))
    return to_label(text)


def _declared(scheme: str, rest: str) -> str:
    """Return a hint that says which rule makes a target of what an address leads to."""
    if scheme != "docker":
        rule = "fetch_file" if scheme in ("http", "https") else "image_pull"
        return f'declare it with {rule}(), and give its label, as ":name"'
    host, slash, _ = rest.partition("/")
    named = slash and ("." in host or ":" in host or host == "localhost")
    ref = rest if named else f"docker.io/{rest}" if slash else f"docker.io/library/{rest}"
    name = re.split(r"[:@]", rest.rpartition("/")[2])[0]
    return f"declare it: image_pull(name = {show(name)}, ref = {show(ref)}), and give its label {show(':' + name)}"


def _items(value: Any, name: str) -> list[Any]:
    if type(value) is tuple:
        return list(value)
    found: list[Any] = _expect(value, list, name)
    return found


def _string_list(value: Any, to_label: ToLabel) -> tuple[str, ...]:
    if type(value) is str:
        raise EvalError(f"must be a list of strings, not a string: write [{_short(value)}]")
    return tuple(_item(_string, one, to_label) for one in _items(value, "a list of strings"))


def _output_list(value: Any, to_label: ToLabel) -> tuple[str, ...]:
    """Names of files that a target makes, each of which is a label, too."""
    return _string_list(value, to_label)


def _label_list(value: Any, to_label: ToLabel) -> tuple[Label, ...]:
    items = [value] if type(value) in (str, LabelValue) else _items(value, "a label or a list of labels")
    found = tuple(_item(_label, one, to_label) for one in items)
    if len(set(found)) < len(found):
        twice = next(label for number, label in enumerate(found) if label in found[:number])
        raise EvalError(f"names {twice} twice")
    return found


def _item(check: Callable[[Any, ToLabel], Any], value: Any, to_label: ToLabel) -> Any:
    try:
        return check(value, to_label)
    except EvalError as error:
        raise EvalError(f"has an item that {error}", error.hint) from None


def _mapping(
    check_key: Callable[[Any, ToLabel], Any], check: Callable[[Any, ToLabel], Any], name: str
) -> Callable[[Any, ToLabel], dict[Any, Any]]:
    def checked(value: Any, to_label: ToLabel) -> dict[Any, Any]:
        _expect(value, dict, name)
        found = {}
        for key, one in value.items():
            try:
                found[check_key(key, to_label)] = check(one, to_label)
            except EvalError as error:
                raise EvalError(f"has at {show(key)} what {error}", error.hint) from None
        return found

    return checked


_PATH_PART: Final = re.compile(r"/\.\.?(/|\Z)")


def _path(value: Any, to_label: ToLabel) -> str:
    text = _string(value, to_label)
    if not text.startswith("/"):
        raise EvalError(f"must be an absolute path, not {show(text)}", f"write {show('/' + text)}")
    if _PATH_PART.search(text):
        raise EvalError(f"must be a path without . and .., not {show(text)}")
    parts = [part for part in text.split("/") if part]
    if any(part.startswith(".wh.") for part in parts):
        raise EvalError(f"must not name {show(text)}: .wh. is how layers mark removed files")
    return "/" + "/".join(parts)


def _path_below(value: Any, to_label: ToLabel) -> str:
    path = _path(value, to_label)
    if path == "/":
        raise EvalError("must be a path below the root folder")
    return path


def _path_list(value: Any, to_label: ToLabel) -> tuple[str, ...]:
    return tuple(_item(_path, one, to_label) for one in _items(value, "a list of paths"))


def _mode(value: Any, _: ToLabel) -> int:
    if type(value) is int and 0 <= value <= 0o7777:
        if _is_octal_without_mark(value):
            raise EvalError(
                f"must be a file mode, and {value} is {value:#o}",
                f'write "0{value}" or 0o{value} for what ls shows',
            )
        return value
    if type(value) is str and re.fullmatch(r"(0o)?[0-7]{1,5}", value):
        number = int(value, 8)
        if number <= 0o7777:
            return number
    raise EvalError(f'must be a file mode such as "0644", not {show(value)}')


def _is_octal_without_mark(value: int) -> bool:
    """Tell whether an integer was meant to be read as octal: its decimal digits are a usual mode, as those of 755."""
    digits = str(value)
    if value == 0o777 or not re.fullmatch("[0-7]{3,4}", digits):
        return False
    return _is_usual(int(digits, 8))


def _is_usual(mode: int) -> bool:
    """Tell whether nobody may do more than the group, nor the group more than the user, who may read."""
    user, group, other = mode >> 6 & 7, mode >> 3 & 7, mode & 7
    return bool(user & 4) and not group & ~user and not other & ~group


def _variable(value: Any, to_label: ToLabel) -> str:
    name = _string(value, to_label)
    if not name or "=" in name or any(one.isspace() for one in name):
        raise EvalError("must be the name of a variable: not empty, without = and spaces")
    return name


def _named(value: Any, to_label: ToLabel) -> str:
    name = _string(value, to_label)
    if not name:
        raise EvalError("must not be an empty name")
    return name


def _signal(value: Any, to_label: ToLabel) -> str:
    from hermes.image.edit import is_signal

    text = _string(value, to_label)
    if text and not is_signal(text):
        raise EvalError(f"must be a signal, not {show(text)}", "such as SIGTERM")
    return text


def _owner(value: Any, _: ToLabel) -> str:
    text = str(value) if type(value) is int else value
    ids = text.split(":") if type(text) is str and re.fullmatch(r"[0-9]{1,10}(:[0-9]{1,10})?", text) else []
    if not ids or any(int(one) > LARGEST_ID for one in ids):
        raise EvalError(
            f'must be numeric ids such as "1000:1000", not {show(value)}',
            "names are in the image's /etc/passwd, which a layer of files does not see",
        )
    return f"{int(ids[0])}:{int(ids[-1])}"


def _mount(value: Any, to_label: ToLabel) -> Mounted:
    found = as_mount(value)
    return found.of(_label(found.source, to_label)) if type(found) is Bind else found


def _mount_list(value: Any, to_label: ToLabel) -> tuple[Mounted, ...]:
    return tuple(_item(_mount, one, to_label) for one in _items(value, "a list of mounts"))


def _secret(value: Any, _: ToLabel) -> SecretMount:
    return as_secret(value)


def _secret_list(value: Any, to_label: ToLabel) -> tuple[SecretMount, ...]:
    return tuple(_item(_secret, one, to_label) for one in _items(value, "a list of secrets"))


def _platform(value: Any, to_label: ToLabel) -> str:
    from hermes.errors import UsageError
    from hermes.image.platform import Platform

    try:
        return str(Platform.parse(_string(value, to_label)))
    except UsageError as error:
        raise EvalError(f"must be a platform: {error.message}", error.hint) from None


def _platform_list(value: Any, to_label: ToLabel) -> tuple[str, ...]:
    found = tuple(_item(_platform, one, to_label) for one in _items(value, "a list of platforms"))
    for number, one in enumerate(found):
        if one in found[:number]:
            raise EvalError(f"names {one} twice")
    return found


KINDS: Final[Mapping[str, Kind]] = {
    "bool": Kind(_bool, False),
    "env_dict": Kind(_mapping(_variable, _string, "a dict from names of variables to strings"), dict),
    "int": Kind(_int),
    "label": Kind(_label),
    "label_dict": Kind(_mapping(_string, _label, "a dict from names to labels"), dict),
    "label_list": Kind(_label_list, ()),
    "metadata_dict": Kind(_mapping(_named, _string, "a dict from names to strings"), dict),
    "mode": Kind(_mode),
    "mode_dict": Kind(_mapping(_string, _mode, "a dict from patterns to modes"), dict),
    "mount_list": Kind(_mount_list, ()),
    "output_list": Kind(_output_list, ()),
    "owner": Kind(_owner, "0:0"),
    "path": Kind(_path),
    "path_dict": Kind(_mapping(_path_below, _string, "a dict from paths to strings"), dict),
    "path_label_dict": Kind(_mapping(_path_below, _label, "a dict from paths to labels"), dict),
    "path_list": Kind(_path_list, ()),
    "platform": Kind(_platform, ""),
    "platform_list": Kind(_platform_list, ()),
    "secret_list": Kind(_secret_list, ()),
    "signal": Kind(_signal, ""),
    "string": Kind(_string, ""),
    "string_dict": Kind(_mapping(_string, _string, "a dict from strings to strings"), dict),
    "string_list": Kind(_string_list, ()),
}
_LABEL_KINDS: Final = frozenset({"label", "label_dict", "label_list", "mount_list", "path_label_dict"})


def attr_namespace() -> Namespace:
    """Return ``attr``, whose members make attributes."""
    return Namespace("attr", {kind: Builtin(f"attr.{kind}", _maker(kind)) for kind in KINDS})


def _maker(kind: str) -> Callable[..., Attribute]:
    def plain(
        *,
        default: Any = None,
        mandatory: bool = False,
        doc: str = "",
        values: Any = (),
        allow_empty: bool = True,
        optional: bool = False,
    ) -> Attribute:
        listed = tuple(sequence(f"attr.{kind}", values))
        attribute = Attribute(
            kind, None, mandatory, doc, listed, empty=bool(allow_empty), optional=bool(optional)
        )
        return _with_default(attribute, default)

    def of_labels(
        *,
        default: Any = None,
        mandatory: bool = False,
        doc: str = "",
        providers: Any = (),
        allow_files: bool = False,
        allow_empty: bool = True,
        each_platform: str = "",
    ) -> Attribute:
        if each_platform and kind != "label":
            raise EvalError("only a label can be wanted for each platform")
        attribute = Attribute(
            kind,
            None,
            mandatory,
            doc,
            providers=_alternatives(providers),
            files=bool(allow_files),
            empty=allow_empty,
            each_platform=each_platform,
        )
        return _with_default(attribute, default)

    return of_labels if kind in _LABEL_KINDS else plain


def _with_default(attribute: Attribute, default: Any) -> Attribute:
    if default is None:
        return attribute
    try:
        value = KINDS[attribute.kind].check(default, _no_label)
    except EvalError as error:
        raise EvalError(f"the default {error}", error.hint) from None
    return replace(attribute, default=value)


def _no_label(text: str) -> Label:
    raise EvalError(f"is the string {text!r}", f'say where the label belongs: Label("{text}")')


def _alternatives(providers: Any) -> tuple[tuple[Provider, ...], ...]:
    """Accept ``[A, B]`` (all of them) and ``[[A], [B]]`` (all of any)."""
    listed = sequence("providers", providers)
    if all(type(one) is Provider for one in listed):
        return (tuple(listed),) if listed else ()
    found = []
    for one in listed:
        if type(one) not in (list, tuple) or not all(type(item) is Provider for item in one):
            raise EvalError("providers takes a list of providers, or a list of such lists")
        found.append(tuple(one))
    return tuple(found)
