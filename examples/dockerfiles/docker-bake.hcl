# hermes bud --bake examples/dockerfiles/docker-bake.hcl
variable "VERSION" { default = "1.0" }

function "bases" {
  params = [names]
  result = { for name, label in names : name => "//examples/dockerfiles/bases:${label}" }
}

group "default" { targets = ["greeter", "tool"] }

target "greeter" {
  context  = "examples/dockerfiles/python"
  contexts = bases({ "python:3.11-slim" = "python" })
  tags     = ["examples/greeter:${VERSION}"]
}

target "tool" {
  name     = "tool-${replace(version, ".", "-")}"
  matrix   = { version = [VERSION, "2.0"] }
  context  = "examples/dockerfiles/static"
  contexts = bases({ "gcc:12" = "gcc" })
  args     = { VERSION = version }
  tags     = ["examples/tool:${version}"]
}
