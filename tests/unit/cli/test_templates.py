"""Templates of Go; the results are those of Go 1.22's text/template with docker's functions."""

from __future__ import annotations

import pytest

from hermes.cli.templates import rendered
from hermes.errors import UsageError

VALUE = {
    "Name": "it",
    "Config": {"Cmd": ["sh", "-c"], "Labels": {"b": "2", "a.b": "1"}, "User": "", "Env": None},
    "Size": 7,
    "Layers": [{"Digest": "x"}, {"Digest": "y"}],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("{{.Name}}:{{ .Size }}", "it:7"),
        ("{{.Config.Cmd}}", "[sh -c]"),
        ("{{.Config.Labels}}", "map[a.b:1 b:2]"),
        ('{{index .Config.Labels "a.b"}}', "1"),
        ('{{ index .Config.Labels "none" }}', ""),
        ("{{index .Config.Cmd 1}}", "-c"),
        ("{{json .Config.Cmd}}", '["sh", "-c"]'),
        ("{{.Config.Cmd | json}}", '["sh", "-c"]'),
        ('{{join .Config.Cmd ", "}}', "sh, -c"),
        ("{{len .Layers}}", "2"),
        ("{{range .Layers}}{{.Digest}} {{end}}", "x y "),
        ("{{range $i, $one := .Layers}}{{$i}}={{$one.Digest}};{{end}}", "0=x;1=y;"),
        ("{{range .Config.Env}}{{.}}{{else}}none{{end}}", "none"),
        ("{{if .Config.User}}{{.Config.User}}{{else}}root{{end}}", "root"),
        ("{{with .Config}}{{index .Cmd 0}}{{end}} {{$.Name}}", "sh it"),
        ("a {{- .Name -}} b", "aitb"),
        ('{{if eq .Name "it"}}yes{{end}}', "yes"),
        ("{{if and .Name (not .Config.User)}}yes{{end}}", "yes"),
        ("{{$x := .Size}}{{$x}}", "7"),
        ("{{(index .Layers 0).Digest}}", "x"),
        ('{{printf "%s-%d" .Name .Size}}', "it-7"),
        ("{{upper .Name}}{{/* why */}}", "IT"),
        (r"{{.Name}}\n", "it\n"),
        ("{{.config.user}}{{.Config.Env}}", "<no value>"),
    ],
)
def test_a_template_gives_what_go_gives(template: str, text: str) -> None:
    assert rendered(template, VALUE) == text


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{.Nmae}}", "there is no field .Nmae; known: Config, Layers, Name, Size"),
        ("{{.Name.x}}", "there is no field .Name.x"),
        ("{{", "{{ is not closed"),
        ("{{}}", "{{}} is empty"),
        ("{{if .Name}}x", "if has no end"),
        ("{{end}}", "end stands outside of if, range and with"),
        ("{{foo .Name}}", "function 'foo' is not defined"),
        ("{{index .Config.Cmd 9}}", "list index out of range"),
        ("{{index .Size 1}}", ""),
        ("{{$y}}", "undefined variable '$y'"),
        ("{{.Name | }}", "a command is missing"),
        ("{{.Name ^}}", "unexpected '^'"),
        ("{{(.Name}}", "a bracket is not closed"),
        ("{{.Name .Size}}", "it is not a function"),
        ("{{join}}", ""),
    ],
)
def test_a_template_that_is_wrong_is_an_error(template: str, problem: str) -> None:
    with pytest.raises(UsageError) as caught:
        rendered(template, VALUE)
    assert problem in caught.value.message
