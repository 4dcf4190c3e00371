"""Action keys: what is in them, and that they stay what they are.

The golden file holds preimages and keys of a few actions. A change to it is a change of what every cache in the
world holds: raise `hermes.engine.key.SCHEMA` with it, and write it again with ``python -m tests.unit.engine.test_keys``.
"""

from __future__ import annotations

import json
from pathlib import Path

from hermes.digest import Digest, canonical_json
from hermes.engine.action import EXECUTABLE, FILE, LINK, Action, Source, Value
from hermes.engine.key import UNKEYED, Resolved, differences, facts, key_of, preimage

GOLDEN = Path(__file__).with_name("golden_keys.json")


def resolved(role: str, path: str, content: bytes, kind: str = FILE) -> Resolved:
    return Resolved(
        role, path, Value(kind, Digest.of(content), len(content)), "/somewhere/else", (1, 2, 3, 4)
    )


def action(kind: str, params: str, **fields: str) -> Action:
    return Action("//a:b%x", "//a:b", kind, params, (), ("out",), unkeyed='{"timeout":9}', **fields)


CASES = {
    "write": (action("write", '{"content":"ü\\n","executable":false}'), []),
    "layer": (
        action("layer", '{"entries":[],"mtime":0}'),
        [
            resolved("file", "srv/a", b"a"),
            resolved("file", "srv/b", b"b", EXECUTABLE),
            resolved("file", "l", b"t", LINK),
        ],
    ),
    "run": (
        action("run", '{"argv":["sh"],"env":{"A":"1"}}', platform="linux/amd64"),
        [resolved("root", "//base:root", b"layer", "layer"), resolved("src", "/in", b"x")],
    ),
    "host": (
        action("host", '{"argv":["sh"],"tools":{"/usr/bin/dpkg":"1.21.22"}}', platform="linux/amd64"),
        [resolved("root", "//base:root", b"layer", "layer"), resolved("src", "/run/inputs/x", b"x")],
    ),
    "compress": (
        action("compress", "{}", codec="zstd 1.5.7 level=3"),
        [resolved("layer", "", b"layer", "layer")],
    ),
}


def current() -> dict[str, dict[str, str]]:
    found = {}
    for name, (one, inputs) in CASES.items():
        image = preimage(one, inputs)
        found[name] = {"key": key_of(image), "preimage": image.decode()}
    return found


def test_keys_are_what_they_were() -> None:
    assert current() == json.loads(GOLDEN.read_text())


def test_a_preimage_is_canonical_json() -> None:
    for one in current().values():
        document = json.loads(one["preimage"])
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert text == one["preimage"]
        assert set(document) == {"codec", "env", "inputs", "kind", "params", "platform", "schema"}


def test_what_cannot_change_an_output_is_not_in_the_key() -> None:
    one, inputs = CASES["layer"]
    moved = [row._replace(origin="/another/place", stamp=(9, 9, 9, 9)) for row in inputs]
    other = Action(
        "//z:z%z", "//z:z", one.kind, one.params, (Source("x"),), ("other",), unkeyed='{"urls":[]}'
    )  # type: ignore[arg-type]
    assert preimage(one, inputs) == preimage(other, moved)


def test_where_bytes_are_is_not_in_the_key() -> None:
    one, inputs = CASES["run"]
    unkeyed = resolved(f"{UNKEYED}where", "", b"a registry")
    assert preimage(one, [inputs[0], unkeyed, inputs[1]]) == preimage(one, inputs)


def test_everything_else_is_in_the_key() -> None:
    one, inputs = CASES["run"]
    changed = [
        (action("host", one.params, platform=one.platform), inputs),
        (action("run", '{"argv":["sh"],"env":{"A":"2"}}', platform=one.platform), inputs),
        (action("run", one.params, platform="linux/arm64"), inputs),
        (action("run", one.params, platform=one.platform, env='{"B":"1"}'), inputs),
        (action("run", one.params, platform=one.platform, codec="x"), inputs),
        (one, inputs[:1]),
        (one, inputs[::-1]),
        (one, [inputs[0], resolved("src", "/in", b"y")]),
        (one, [inputs[0], resolved("src", "/other", b"x")]),
        (one, [inputs[0], resolved("src", "/in", b"x", EXECUTABLE)]),
    ]
    keys = {key_of(preimage(*case)) for case in [(one, inputs), *changed]}
    assert len(keys) == len(changed) + 1


def test_what_differs_is_named_with_both_values() -> None:
    one, inputs = CASES["run"]
    other = action("run", '{"argv":["sh"],"env":{"A":"2","C":"3"}}', platform=one.platform)
    found = list(differences(preimage(one, inputs), preimage(other, inputs[:1])))
    assert found == [
        ("env.A", "1", "2"),
        ("src /in", str(Digest.of(b"x")), None),
        ("env.C", None, "3"),
    ]
    assert dict(facts(preimage(one, inputs))) == {
        "kind": "run",
        "platform": "linux/amd64",
        "argv": '["sh"]',
        "env.A": "1",
        "root //base:root": Digest.of(b"layer"),
        "src /in": Digest.of(b"x"),
    }


def test_inputs_of_one_role_are_told_apart() -> None:
    one, _ = CASES["compress"]
    old = preimage(one, [resolved("layer", "", text, "layer") for text in (b"a", b"b", b"c")])
    new = preimage(one, [resolved("layer", "", text, "layer") for text in (b"a", b"x", b"y")])
    assert list(differences(old, new)) == [
        ("layer #2", Digest.of(b"b"), Digest.of(b"x")),
        ("layer #3", Digest.of(b"c"), Digest.of(b"y")),
    ]


def test_a_value_that_is_not_utf_8_can_be_told() -> None:
    one = action("run", canonical_json({"argv": ["\udcff"]}).decode("utf-8", "surrogateescape"))
    assert dict(facts(preimage(one, [])))["argv"] == '["\ufffd"]'


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(current(), indent=2, ensure_ascii=False) + "\n")
