"""The rules that every BUILD file has without loading them."""

load(":commands.bzl", _genrule = "genrule", _host_layer = "host_layer", _run_layer = "run_layer")
load(":dockerfiles.bzl", _dockerfile_image = "dockerfile_image")
load(":files.bzl", _alias = "alias", _fetch_file = "fetch_file", _filegroup = "filegroup", _write_file = "write_file")
load(
    ":images.bzl",
    _image = "image",
    _image_import = "image_import",
    _image_index = "image_index",
    _image_pull = "image_pull",
    _image_push = "image_push",
)
load(":layers.bzl", _copy_layer = "copy_layer", _files_layer = "files_layer", _tar_layer = "tar_layer")
load(":test.bzl", _command_test = "command_test", _http_test = "http_test", _image_test = "image_test")

alias = _alias
command_test = _command_test
copy_layer = _copy_layer
dockerfile_image = _dockerfile_image
fetch_file = _fetch_file
filegroup = _filegroup
files_layer = _files_layer
genrule = _genrule
host_layer = _host_layer
http_test = _http_test
image = _image
image_import = _image_import
image_index = _image_index
image_pull = _image_pull
image_push = _image_push
image_test = _image_test
run_layer = _run_layer
tar_layer = _tar_layer
write_file = _write_file
